"""Schedules as text on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callboard.cli.common import counted, printable, when
from callboard.cli.tables import print_whole
from callboard.schedules.operations import SchedulePage
from callboard.schedules.state import Schedule

_COLUMNS = ("schedule", "queue", "when", "next", "made", "skipped", "errors")
_NUMBERS = {"made", "skipped", "errors"}


def print_schedules(page: SchedulePage) -> None:
    """A table of schedules; nothing in it is cut. What is to be said about it goes to standard error."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _COLUMNS:
        table.add_column(name, no_wrap=True, justify="right" if name in _NUMBERS else "left")
    for each in page.schedules:
        counts = [str(number) if number else "·" for number in (each.made, each.skipped, each.errors)]
        cells = [each.id, each.queue, printable(each.definition.when), _next(each), *counts]
        table.add_row(*(Text(cell, style="red" if each.paused or each.errors else "") for cell in cells))
    if page.schedules:
        print_whole(Console(), table)
    click.echo(counted(page.total, "schedule") + " in all", err=True)
    if page.cursor is not None:
        click.echo(f"more with --cursor {page.cursor}", err=True)


def print_schedule(schedule: Schedule) -> None:
    """Everything about a schedule, which is masked already."""
    for line in _lines(schedule):
        click.echo(printable(line))


def _next(schedule: Schedule) -> str:
    if schedule.ended:
        return f"ended ({schedule.ended})"
    return "paused" if schedule.paused else when(schedule.next_ms)


def _lines(schedule: Schedule) -> Iterator[str]:
    definition = schedule.definition
    facts = {
        "schedule": schedule.id, "queue": schedule.queue, "actor": schedule.actor, "when": definition.when,
        "payload": json.dumps(definition.payload, ensure_ascii=False),
        "options": json.dumps(definition.options, ensure_ascii=False) if definition.options else "",
        "jitter": f"{definition.jitter_s:g} s" if definition.jitter_s else "",
        "start": when((definition.start_s or 0) * 1000), "end": when((definition.end_s or 0) * 1000),
        "limit": str(definition.limit or ""), "catch up": definition.catch_up, "overlap": definition.overlap,
        "made by": "its actor" if schedule.origin == "declared" else "a caller", "next": _next(schedule),
        "last": when(schedule.last_ms), "last job": schedule.last_job, "made": str(schedule.made),
        "skipped": str(schedule.skipped or ""), "waiting": str(schedule.queued or ""),
        "errors": str(schedule.errors or ""),
        "last error": f"{when(schedule.last_error_ms)} {schedule.last_error}" if schedule.last_error else "",
        "paused": _pause(schedule) if schedule.paused else "",
    }  # fmt: skip
    for name, value in facts.items():
        if value:
            yield f"{name:<12} {value}"


def _pause(schedule: Schedule) -> str:
    by = f" by {schedule.paused_by}" if schedule.paused_by else ""
    reason = f": {schedule.paused_reason}" if schedule.paused_reason else ""
    return f"since {when(schedule.paused_since_ms)}{by}{reason}"
