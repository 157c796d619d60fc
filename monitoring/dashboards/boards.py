"""All boards, in the order of their numbers."""

from __future__ import annotations

from monitoring.dashboards import actor, alerting, fleet, queue, redis, schedules, slo, workers
from monitoring.dashboards.model import Board
from monitoring.site import Site


def boards(site: Site) -> tuple[Board, ...]:
    """The eight boards."""
    return (
        fleet.board(site),
        queue.board(site),
        actor.board(site),
        workers.board(site),
        schedules.board(site),
        slo.board(site),
        redis.board(site),
        alerting.board(site),
    )
