"""What is printed at the end: a table of every job, or JSON, and what the checks have shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

from callboard.records import JobView
from demo.jobs import Planned
from demo.verdict import Check

STATE_STYLES = {
    "waiting": "", "delayed": "magenta", "active": "cyan", "completed": "green", "failed": "bold red",
    "cancelled": "yellow",
}  # fmt: skip

#: The columns of the table.
_COLUMNS: dict[str, JustifyMethod] = {
    "queue": "left", "actor": "left", "job id": "left", "state": "left", "attempts": "right", "seconds": "right",
    "artifacts": "left",
}  # fmt: skip
#: More than any table takes.
_ANY_WIDTH = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """One job of the table. ``seconds`` count from its add to its end, waits included; 0 if it has not ended."""

    queue: str
    actor: str
    job_id: str
    state: str
    attempts: int
    seconds: float
    artifacts: list[str]


def rows(jobs: Sequence[Planned], views: Mapping[str, JobView], artifacts: Mapping[str, list[str]]) -> list[Row]:
    """A row for each job, also for one that is gone. ``artifacts``: files by job id."""
    return [_row(job, views.get(job.job_id), artifacts.get(job.job_id, [])) for job in jobs]


def _row(job: Planned, view: JobView | None, files: list[str]) -> Row:
    if view is None:
        return Row(job.queue, job.actor, job.job_id, "missing", 0, 0.0, files)
    seconds = (view.ended_ms - view.added_ms) / 1000 if view.ended_ms else 0.0
    return Row(job.queue, job.actor, job.job_id, view.state, view.attempts_made, round(seconds, 3), files)


def as_json(table: Sequence[Row]) -> str:
    """One JSON object a job, one a line."""
    return "\n".join(json.dumps(asdict(row)) for row in table)


def print_table(console: Console, table: Sequence[Row], folder: Path) -> None:
    """The table for people; artifacts are given relative to ``folder``.

    Where it does not fit the width, it does without the actor, then without the queue as a column of its own.
    """
    room = console.options.update(width=_ANY_WIDTH)
    for left_out in ((), ("actor",), ("queue", "actor")):
        grid = _grid(table, folder, left_out)
        if console.measure(grid, options=room).maximum <= console.width:
            break
    console.print(grid)


def _grid(table: Sequence[Row], folder: Path, left_out: Sequence[str]) -> Table:
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name, justify in _COLUMNS.items():
        if name not in left_out:
            grid.add_column(name, justify=justify, no_wrap=name != "artifacts", overflow="fold")
    for before, row in zip((None, *table), table, strict=False):
        if "queue" in left_out and (before is None or before.queue != row.queue):
            grid.add_row(Text(row.queue, style="bold"))
        retried = "yellow" if row.attempts > 1 else ""
        cells = {
            "queue": Text(row.queue, style="dim"), "actor": Text(row.actor, style="dim"), "job id": Text(row.job_id),
            "state": Text(row.state, style=STATE_STYLES.get(row.state, "bold red")),
            "attempts": Text(str(row.attempts), style=retried), "seconds": Text(f"{row.seconds:.2f}"),
            "artifacts": Text("\n".join(str(Path(path).relative_to(folder)) for path in row.artifacts)),
        }  # fmt: skip
        grid.add_row(*(cells[name] for name in _COLUMNS if name not in left_out))
    return grid


def print_checks(console: Console, checks: Sequence[Check]) -> None:
    """What was shown, with a tick; what is wrong, with a cross and in red."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    for check in checks:
        grid.add_row(Text("✓", style="bold green") if check.passed else Text("✗", style="bold red"), Text(check.shown))
        for problem in check.problems:
            grid.add_row("", Text(problem, style="bold red"))
    console.print(grid)
