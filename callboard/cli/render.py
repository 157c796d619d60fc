"""Jobs as text on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callboard.cli.common import printable, when
from callboard.records import JobView
from callboard.verbs.telling import JobDetails

#: Into a pipe goes the whole table, whatever the width of a terminal would be.
_PIPE_WIDTH = 200

#: Characters of a reason in a list, and of a result.
_REASON, _RESULT = 80, 2_000


def print_jobs(jobs: Sequence[JobView], *, note: str = "", cursor: str | None = None) -> None:
    """A table of jobs; what is to be said about it goes to standard error."""
    if jobs:
        console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
        console.print(_table(jobs))
    if note:
        click.echo(note, err=True)
    if cursor is not None:
        click.echo(f"more with --cursor {cursor}", err=True)


def _table(jobs: Sequence[JobView]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("job", no_wrap=True)
    for name in ("state", "actor", "workspace"):
        table.add_column(name)
    for name in ("priority", "attempts"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("at", no_wrap=True)
    table.add_column("reason")
    for job in jobs:
        cells = (
            job.id, job.state, job.actor, job.workspace, str(job.priority), str(job.attempts_made), when(_at(job)),
            job.reason[:_REASON].partition("\n")[0],
        )  # fmt: skip
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


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
            yield f"  {attempt.error_type}: {attempt.error_message}"
        for line in attempt.traceback.splitlines():
            yield f"  {line}"
    if told.log:
        yield ""
        yield "log"
    for at_ms, line in told.log:
        yield f"  {when(at_ms)}  {line}"
