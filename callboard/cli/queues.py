"""``callboard queues``: every queue and how many jobs are in which state."""

from __future__ import annotations

import dataclasses
import json
import sys

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callboard.catalogue import Catalogue
from callboard.service import QueueService
from callboard.verbs.looking import QueueStats

#: Columns with a number of jobs: the field of ``QueueStats``, which is also the state's name.
_COUNTS = ("waiting", "delayed", "active", "blocked", "completed", "failed", "cancelled")
#: Shown only when there is such a job, so that the table fits 80 columns on most days.
_RARE = {"blocked", "cancelled"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one array, an object a queue.")
def queues(as_json: bool) -> None:
    """Show every queue and how many jobs are in which state.

    A number above the queue's threshold is yellow; a paused queue is red.
    """
    service = QueueService()
    try:
        stats = service.get_all_queue_stats()
    finally:
        service.close()
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(each) for each in stats], indent=2))
    else:
        # Into a pipe goes the whole table, whatever the width of a terminal would be.
        console = Console() if sys.stdout.isatty() else Console(width=160)
        console.print(_table(stats, service.catalogue))


def _table(stats: list[QueueStats], catalogue: Catalogue) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("queue", no_wrap=True)
    counts = [name for name in _COUNTS if name not in _RARE or any(getattr(each, name) for each in stats)]
    for name in counts:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("oldest", justify="right", no_wrap=True)
    table.add_column("")
    for each in stats:
        thresholds = catalogue[each.queue].thresholds
        cells = [_count(getattr(each, name), getattr(thresholds, name, None)) for name in counts]
        table.add_row(Text(each.queue), *cells, _age(each.oldest_waiting_age_s), _note(each))
    return table


def _count(jobs: int, threshold: int | None) -> Text:
    if jobs == 0:
        return Text("·", style="dim")
    return Text(f"{jobs:,}", style="yellow" if threshold is not None and jobs > threshold else "")


def _age(seconds: float) -> Text:
    """How long the oldest waiting job has waited, in the largest unit that gives two digits."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * size:
            return Text(f"{seconds / size:.0f} {unit}")
    return Text(f"{seconds:.0f} s" if seconds else "")


def _note(stats: QueueStats) -> Text:
    if not stats.paused:
        return Text("")
    by = f" by {stats.paused_by}" if stats.paused_by else ""
    reason = f": {stats.paused_reason}" if stats.paused_reason else ""
    return Text(f"paused{by}{reason}", style="red")
