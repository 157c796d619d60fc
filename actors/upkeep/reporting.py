"""The report: a line a queue, kept for a day and logged."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import structlog

from actors.upkeep.steps import MaintenanceStep
from callboard.service import QueueService
from callboard.steps import reached

log = structlog.get_logger(__name__)


def report(service: QueueService, job_id: str) -> dict[str, Any]:
    """Keep a report under the job's id and log its lines.

    A repeated attempt finds the report of the one that died and logs the same lines: one report a job, each line of it
    logged at least once.

    Returns: ``{"report", "at_ms", "queues": how many}``.
    Raises: StoreUnavailable, StoreRefused.
    """
    made = service.make_report(job_id)
    reached(MaintenanceStep.REPORT_KEPT)
    for line in made.queues:
        log.info("queue report", report=made.id, at_ms=made.at_ms, **asdict(line))
    return {"report": made.id, "at_ms": made.at_ms, "queues": len(made.queues)}
