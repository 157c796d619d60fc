"""Queue ``maintenance``: cleans, the health check, the report. What happens is in ``actors.upkeep``.

The queue allows one attempt; these may be repeated without harm, so they take three. Each is scheduled here, in UTC
(docs/guides/schedules.md).
"""

from __future__ import annotations

from typing import Any

import dramatiq
from periodiq import cron

from actors.upkeep.checking import check
from actors.upkeep.cleaning import clean
from actors.upkeep.payload import CleanPolicy, NoPayload
from actors.upkeep.reporting import report
from actors.upkeep.service import queue_service
from callboard.current import current_job

_ACTOR: dict[str, Any] = {"queue_name": "maintenance", "max_attempts": 3, "store_results": True}


@dramatiq.actor(actor_name="clean_completed", payload=CleanPolicy, periodic=cron("0 * * * *"), **_ACTOR)
def clean_completed(policy: CleanPolicy) -> dict[str, Any]:
    """Remove completed jobs by age. Returns and raises: see ``actors.upkeep.cleaning.clean``."""
    return clean(queue_service(), "completed", policy, current_job())


@dramatiq.actor(actor_name="clean_failed", payload=CleanPolicy, periodic=cron("0 */6 * * *"), **_ACTOR)
def clean_failed(policy: CleanPolicy) -> dict[str, Any]:
    """Remove failed jobs by age. Returns and raises: see ``actors.upkeep.cleaning.clean``."""
    return clean(queue_service(), "failed", policy, current_job())


@dramatiq.actor(actor_name="check_health", payload=NoPayload, periodic=cron("*/5 * * * *"), **_ACTOR)
def check_health(_payload: NoPayload) -> dict[str, Any]:
    """Find out how every queue is and tell of changes. Returns and raises: see ``actors.upkeep.checking.check``."""
    return check(queue_service())


@dramatiq.actor(actor_name="report_queues", payload=NoPayload, periodic=cron("*/10 * * * *"), **_ACTOR)
def report_queues(_payload: NoPayload) -> dict[str, Any]:
    """Keep and log a line a queue. Returns and raises: see ``actors.upkeep.reporting.report``."""
    return report(queue_service(), current_job().id)
