"""Marks in the time series: when a queue was paused, when a new version came, when worker processes started.

Each is a query whose points above zero are marks; points that follow each other are one mark with a beginning and an
end, so a pause is shaded for as long as it lasts. The query stands twice, in ``expr`` and in ``target``: which of them
Grafana reads depends on its version.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitoring.dashboards.model import Board
from monitoring.dashboards.templating import DATASOURCE

#: Distance of the points (seconds). The ranges below are wider, so that nothing falls between two of them.
STEP = "60s"


@dataclass(frozen=True, slots=True)
class Mark:
    """A query for marks. ``title`` and ``text`` may have ``{{label}}``; ``shown``: unless a reader turns it off."""

    name: str
    expr: str
    title: str
    text: str
    color: str
    shown: bool = True


def marks(board: Board) -> tuple[Mark, ...]:
    """The marks of ``board``: pauses of the chosen queues, or of all where none are chosen."""
    names = {variable.name for variable in board.variables}
    chosen = '{queue=~"$queue"}' if "queue" in names else ""
    worker = "$worker" if "worker" in names else ".+"
    return (
        Mark(
            "Pauses", f"queue:callboard_queue_paused:max{chosen} == 1",
            "{{queue}} paused", "Jobs wait; running ones finish.", "orange",
        ),
        Mark(
            "Deploys",
            "count by (component, version) (callboard_build_info) "
            "unless count by (component, version) (callboard_build_info offset 2m)",
            "{{component}} {{version}}", "A version that was not there two minutes ago.", "blue",
        ),
        Mark(
            "Worker starts", f'time() - process_start_time_seconds{{worker=~"{worker}"}} < 90',
            "{{worker}} started", "By a deploy, a restart, its recycling or after a crash.", "purple",
            shown="worker" in names,
        ),
    )  # fmt: skip


def annotation_list(board: Board) -> list[dict[str, object]]:
    """Grafana's JSON of the marks of ``board``. The SDK has no fields for what Prometheus' annotations are made of."""
    return [_annotation(mark) for mark in marks(board)]


def _annotation(mark: Mark) -> dict[str, object]:
    source = DATASOURCE.to_json()
    return {
        "name": mark.name, "datasource": source, "enable": mark.shown, "iconColor": mark.color,
        "expr": mark.expr, "step": STEP, "titleFormat": mark.title, "textFormat": mark.text,
        "target": {"datasource": source, "expr": mark.expr, "interval": STEP, "refId": "Anno"},
    }  # fmt: skip
