"""The health check: how every queue is, and an event where that has changed."""

from __future__ import annotations

from typing import Any

import structlog

from actors.upkeep.steps import MaintenanceStep
from callboard.service import QueueService
from callboard.steps import reached

log = structlog.get_logger(__name__)


def check(service: QueueService) -> dict[str, Any]:
    """Look at every queue, note what was found, and tell of changes.

    Returns: ``{"status", "queues": {queue: {"status", "reasons"}}, "changed": [queue, …]}``; ``changed`` names what
    this attempt changed, so what an attempt that died had noted is not in it.

    Raises: StoreUnavailable; what could be noted is.
    """
    found, changed = service.check_health()
    reached(MaintenanceStep.HEALTH_NOTED)
    for each in found.queues:
        if each.queue in changed:
            log.warning("queue health changed", queue=each.queue, status=each.status, reasons=each.reasons)
    return {
        "status": found.status,
        "queues": {each.queue: {"status": each.status, "reasons": each.reasons} for each in found.queues},
        "changed": changed,
    }
