"""Jobs as text on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callboard.cli.common import printable, when
from callboard.cli.tables import print_whole, width_of
from callboard.records import JobView
from callboard.verbs.telling import JobDetails

#: Characters of a reason in a list, and of a result.
_REASON, _RESULT = 80, 2_000

#: Columns of a list of jobs: heading -> the cell.
_COLUMNS: dict[str, Callable[[JobView], str]] = {
    "job": lambda job: printable(job.id),
    "state": lambda job: job.state,
    "actor": lambda job: printable(job.actor),
    "workspace": lambda job: printable(job.workspace),
    "priority": lambda job: str(job.priority),
    "attempts": lambda job: str(job.attempts_made),
    "at": lambda job: when(_at(job)),
    "reason": lambda job: printable(job.reason[:_REASON].partition("\n")[0]),
}
_NUMBERS = {"priority", "attempts"}

#: What a narrow terminal goes without, the first first, and the fewest characters of a reason that say something.
_GIVE_WAY = ("at", "attempts", "priority", "workspace", "reason", "actor")
_REASON_MIN = 20
#: Characters between two columns.
_GAP = 2


def print_jobs(jobs: Sequence[JobView], *, state: str = "", note: str = "", cursor: str | None = None) -> None:
    """A table of jobs; what is to be said about it goes to standard error.

    Into a pipe goes all of it. A terminal gets short times, no column without content, and as many columns as fit;
    ids are never cut. ``state``: the one that all of them are in, which a terminal is not told again.
    """
    if jobs and sys.stdout.isatty():
        _print_fitting(Console(), jobs, state)
    elif jobs:
        print_whole(Console(), _table(jobs, _COLUMNS))
    if note:
        click.echo(note, err=True)
    if cursor is not None:
        click.echo(f"more with --cursor {cursor}", err=True)


def _print_fitting(console: Console, jobs: Sequence[JobView], state: str) -> None:
    columns: dict[str, Callable[[JobView], str]] = {**_COLUMNS, "at": lambda job: _short_time(_at(job))}
    gone = {"state"} if state else set()
    gone |= {name for name in ("workspace", "reason") if not any(columns[name](job) for job in jobs)}
    for name in ("", *_GIVE_WAY):
        gone.add(name)
        shown = {name: cell for name, cell in columns.items() if name not in gone}
        rest = {name: cell for name, cell in shown.items() if name != "reason"}
        room = console.width - width_of(console, _table(jobs, rest)) - _GAP
        if "reason" not in shown and room + _GAP >= 0:
            break
        if "reason" in shown and room >= min(_REASON_MIN, max(len(shown["reason"](job)) for job in jobs)):
            break
    if "reason" in shown:
        reason = shown["reason"]
        shown["reason"] = lambda job: _cut_to(reason(job), room)
    print_whole(console, _table(jobs, shown))


def _cut_to(text: str, cells: int) -> str:
    """``text`` in at most ``cells`` cells of a terminal."""
    cut = Text(text)
    cut.truncate(max(cells, 1), overflow="ellipsis")
    return cut.plain


def _table(jobs: Sequence[JobView], columns: Mapping[str, Callable[[JobView], str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, no_wrap=True, justify="right" if name in _NUMBERS else "left")
    for job in jobs:
        table.add_row(*(Text(cell(job)) for cell in columns.values()))
    return table


def _short_time(ms: int) -> str:
    """The time of day when it is today, else the date."""
    at = datetime.fromtimestamp(ms / 1000).astimezone()
    return at.strftime("%H:%M:%S" if at.date() == datetime.now().astimezone().date() else "%Y-%m-%d")


def _at(job: JobView) -> int:
    """The time that matters in the job's state: its end, when it is due, its start, or its add."""
    if job.state == "delayed":
        return job.due_ms
    return job.ended_ms or (job.started_ms if job.state == "active" else 0) or job.added_ms


def print_job(job: JobView, told: JobDetails, result: Any = None) -> None:
    """Everything about a job, and what it returned."""
    for line in _lines(job, told, result):
        click.echo(printable(line))


def _cut(text: str) -> str:
    if len(text) <= _RESULT:
        return text
    return f"{text[:_RESULT]}… ({len(text):,} characters; --json has all)"


def _lines(job: JobView, told: JobDetails, result: Any) -> Iterator[str]:
    facts = {
        "job": job.id, "queue": job.queue, "state": job.state, "reason": job.reason, "actor": job.actor,
        "args": json.dumps(job.args) if job.args else "", "payload": json.dumps(job.payload, ensure_ascii=False),
        "options": json.dumps(job.options, ensure_ascii=False) if job.options else "",
        "priority": str(job.priority), "workspace": job.workspace, "added": when(job.added_ms),
        "due": when(job.due_ms), "started": when(job.started_ms), "ended": when(job.ended_ms),
        "ran for": f"{job.duration_ms / 1000:g} s" if job.duration_ms else "", "attempts": str(job.attempts_made),
        "stalls": str(job.stalls) if job.stalls else "", "worker": job.worker,
        "result": "" if result is None else _cut(json.dumps(result, ensure_ascii=False, default=str)),
        "progress": "" if told.progress is None else json.dumps(told.progress, ensure_ascii=False),
        "checkpoints": json.dumps(told.checkpoints, ensure_ascii=False) if told.checkpoints else "",
    }  # fmt: skip
    for name, value in facts.items():
        if value:
            yield f"{name:<12} {value}"
    for attempt in job.attempts:
        seconds = (attempt.ended_ms - attempt.started_ms) / 1000 if attempt.started_ms else 0
        yield ""
        yield f"attempt {attempt.number}: {attempt.outcome} at {when(attempt.ended_ms)} after {seconds:g} s"
        if attempt.error_type or attempt.error_message:
            yield f"  {': '.join(part for part in (attempt.error_type, attempt.error_message) if part)}"
        for line in attempt.traceback.splitlines():
            yield f"  {line}"
    if job.state == "active":
        yield ""
        yield f"attempt {job.attempts_made + 1}: runs since {when(job.started_ms)} on {job.worker}"
    if told.log:
        yield ""
        yield "log"
    for at_ms, line in told.log:
        yield f"  {when(at_ms)}  {line}"
