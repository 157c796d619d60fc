"""``callboard queues``: every queue and how many jobs are in which state; pause, resume, drain, clean."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from callboard.catalogue import Catalogue
from callboard.cli.common import counted, json_option, opened, print_json, printable, progress, whoami
from callboard.cli.tables import fitting, print_lines, whole_lines
from callboard.verbs.bulk import MAX_CLEANED
from callboard.verbs.looking import QueueStats

#: Columns with a number of jobs: the field of ``QueueStats``, which is also the state's name.
_COUNTS = ("waiting", "delayed", "active", "blocked", "completed", "failed", "cancelled")
#: Shown only when there is such a job, so that the table fits 80 columns on most days.
_RARE = {"blocked", "cancelled"}
#: What a narrow terminal goes without, the first first.
_GIVE_WAY = ("oldest", "cancelled", "completed", "blocked", "delayed")
#: Into a pipe goes the whole table, whatever the width of a terminal would be.
_PIPE_WIDTH = 160


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one array, an object a queue.")
@click.pass_context
def queues(ctx: click.Context, as_json: bool) -> None:
    """Show every queue and how many jobs are in which state.

    A number above the queue's threshold is yellow; a paused queue is red, and the line below it says by whom and why.
    A narrow terminal goes without some columns.
    """
    if ctx.invoked_subcommand is None:
        _show(as_json)


def _show(as_json: bool) -> None:
    with opened() as service:
        stats = service.get_all_queue_stats()
    if as_json:
        print_json(stats)
    else:
        console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
        _print(console, stats, service.catalogue)


@queues.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Show every queue: the same as `callboard queues`."""
    _show(as_json)


@queues.command(short_help="Start no more jobs of a queue.")
@click.argument("queue")
@click.option("--reason", default="", help="Shown wherever the queue is.")
@click.option("--by", default=whoami, help="Who pauses it [default: you].")
@json_option
def pause(queue: str, reason: str, by: str, as_json: bool) -> None:
    """Start no more jobs of a queue; running ones finish, adds still land."""
    with opened() as service:
        changed = service.pause_queue(queue, reason, by)
    _say({"changed": changed}, f"{queue} is paused" if changed else f"{queue} was paused already", as_json)


@queues.command()
@click.argument("queue")
@json_option
def resume(queue: str, as_json: bool) -> None:
    """Start jobs of a queue again."""
    with opened() as service:
        changed = service.resume_queue(queue)
    _say({"changed": changed}, f"{queue} is resumed" if changed else f"{queue} was not paused", as_json)


@queues.command(short_help="Remove what waits in a queue.")
@click.argument("queue")
@click.option("--delayed", is_flag=True, help="Delayed and retrying jobs, too.")
@json_option
def drain(queue: str, delayed: bool, as_json: bool) -> None:
    """Remove what waits in a queue; never what runs or has ended."""
    with opened() as service, progress("draining") as tell:
        n = service.drain_queue(queue, delayed=delayed, progress=tell)
    _say({"removed": n}, f"{counted(n, 'job')} removed", as_json)


@queues.command(short_help="Remove jobs of a state that are older than an age.")
@click.argument("queue")
@click.option(
    "--state", type=click.Choice(("completed", "failed", "cancelled", "waiting", "delayed")), required=True,
    help="Jobs in this state.",
)  # fmt: skip
@click.option("--older-than", type=float, required=True, help="Seconds since their end, or since their add.")
@click.option("--limit", type=click.IntRange(1, MAX_CLEANED), default=1_000, show_default=True, help="Jobs at most.")
@json_option
def clean(queue: str, state: str, older_than: float, limit: int, as_json: bool) -> None:
    """Remove the jobs of a state that are older than an age."""
    with opened() as service:
        removed, more = service.clean_queue(queue, state, older_than, limit)
    text = f"{counted(len(removed), 'job')} removed" + ("; there may be more" if more else "")
    _say({"removed": removed, "more": more}, text, as_json)


def _say(answer: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(text)


def _print(console: Console, stats: list[QueueStats], catalogue: Catalogue) -> None:
    """The table in as many columns as fit; below a paused queue a line that says by whom and why."""
    table = fitting(console, lambda gone: _table(stats, catalogue, gone), _GIVE_WAY)
    head, *rows = whole_lines(console, table)
    print_lines(console, [head])
    for row, each in zip(rows, stats, strict=True):
        print_lines(console, [row])
        if each.paused:
            console.print(Padding(_pause(each), (0, 0, 0, 2)))


def _table(stats: list[QueueStats], catalogue: Catalogue, gone: Collection[str] = ()) -> Table:
    """The table without the columns of ``gone``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("queue", no_wrap=True)
    counts = [name for name in _COUNTS if name not in _RARE or any(getattr(each, name) for each in stats)]
    counts = [name for name in counts if name not in gone]
    for name in counts:
        table.add_column(name, justify="right", no_wrap=True)
    if "oldest" not in gone:
        table.add_column("oldest", justify="right", no_wrap=True)
    for each in stats:
        thresholds = catalogue[each.queue].thresholds
        cells = [_count(getattr(each, name), getattr(thresholds, name, None)) for name in counts]
        age = [_age(each.oldest_waiting_age_s)] if "oldest" not in gone else []
        table.add_row(Text(each.queue, style="red" if each.paused else ""), *cells, *age)
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


def _pause(stats: QueueStats) -> Text:
    by = f" by {stats.paused_by}" if stats.paused_by else ""
    reason = f": {stats.paused_reason}" if stats.paused_reason else ""
    return Text(printable(f"paused{by}{reason}").replace("\n", " "), style="red")
