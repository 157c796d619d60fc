"""``callboard workers``: the worker processes of the deployment, and when each was last heard of."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from callboard.cli.common import counted, json_option, opened, print_json, printable
from callboard.cli.tables import ENDLESS, fitting, print_whole
from callboard.naming import NamedWorker, named_workers
from callboard.verbs import fleet

#: Columns that are numbers.
_NUMBERS = {"pid", "slot", "threads", "busy", "heartbeat"}
#: What a narrow terminal goes without, the first first.
_GIVE_WAY = ("metrics", "version", "queues", "id", "slot")
#: So many queues are named; of more it is said how many there are.
_NAMED = 3


@click.command()
@json_option
def workers(as_json: bool) -> None:
    """Show the worker processes and when each was last heard of.

    One that is silent for more than ten seconds is red: it was killed, hangs, or does not reach Redis. It stays in the
    list for ten minutes, or until another one runs in its place. One that ended in order is not in it.
    """
    with opened() as service:
        now_ms, records = fleet.workers_seen(service.store.call(*fleet.workers_call()))
        found = named_workers(records, now_ms, service.settings.beat_ms)
    if as_json:
        print_json([_facts(each, now_ms) for each in found])
        return
    if found:
        # Into a pipe goes the whole table, whatever the width of a terminal would be.
        console = Console() if sys.stdout.isatty() else Console(width=ENDLESS)
        _print(console, found, now_ms)
    silent = sum(not each.alive for each in found)
    click.echo(counted(len(found) - silent, "worker") + (f", {silent:,} silent" if silent else ""), err=True)


def _facts(worker: NamedWorker, now_ms: int) -> dict[str, Any]:
    record = worker.record
    return {
        "worker": worker.name, "id": record.id, "host": record.host, "pid": record.pid, "slot": record.slot,
        "threads": record.threads, "busy": record.busy, "heartbeat_age_s": _age_s(worker, now_ms),
        "alive": worker.alive, "started_ms": record.started_ms, "version": record.version,
        "metrics_address": record.metrics_address, "queues": record.queues,
    }  # fmt: skip


def _age_s(worker: NamedWorker, now_ms: int) -> float:
    """Since when it has been silent, by Redis' clock (seconds)."""
    return max(0, now_ms - worker.record.beat_ms) / 1000


def _print(console: Console, found: list[NamedWorker], now_ms: int) -> None:
    """The table in as many columns as fit."""
    print_whole(console, fitting(console, lambda gone: _table(found, now_ms, gone), _GIVE_WAY))


def _table(found: list[NamedWorker], now_ms: int, gone: Collection[str]) -> Table:
    """The table without the columns of ``gone``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    rows = [_cells(each, now_ms) for each in found]
    shown = [name for name in rows[0] if name not in gone]
    for name in shown:
        table.add_column(name, no_wrap=True, justify="right" if name in _NUMBERS else "left")
    for each, cells in zip(found, rows, strict=True):
        table.add_row(*(Text(cells[name], style="" if each.alive else "red") for name in shown))
    return table


def _cells(worker: NamedWorker, now_ms: int) -> dict[str, str]:
    record = worker.record
    queues = ", ".join(record.queues) if len(record.queues) <= _NAMED else counted(len(record.queues), "queue")
    cells = {
        "worker": worker.name, "id": record.id, "host": record.host, "pid": str(record.pid), "slot": str(record.slot),
        "threads": str(record.threads), "busy": str(record.busy), "heartbeat": f"{_age_s(worker, now_ms):.1f} s ago",
        "version": record.version, "metrics": record.metrics_address or "–", "queues": queues,
    }  # fmt: skip
    return {name: printable(text) for name, text in cells.items()}
