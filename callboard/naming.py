"""What worker processes are called: in metrics (the label ``worker``), in discovery, and by `callboard workers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from callboard.health import live
from callboard.verbs.fleet import WorkerRecord


@dataclass(frozen=True, slots=True)
class NamedWorker:
    """A worker process under its label. ``alive``: it was heard of lately."""

    name: str
    record: WorkerRecord
    alive: bool


def named_workers(workers: Sequence[WorkerRecord], now_ms: int, beat_ms: int) -> list[NamedWorker]:
    """Worker processes by ``<host>-<slot>``, a name that the next process in the same place has again.

    When several live processes would have one name, those that started later get ``-2``, ``-3`` … added. One that has
    fallen silent keeps its name until it is forgotten (ten minutes), unless a live one has it by now: of a process that
    was killed and started anew there is one row.

    ``now_ms``, ``beat_ms``: as ``callboard.health.live`` takes them.
    """
    alive = sorted(live(workers, now_ms, beat_ms), key=lambda each: (each.started_ms, each.id))
    found: dict[str, NamedWorker] = {}
    for record in alive:
        name = base = _place(record)
        number = 2
        while name in found:
            name, number = f"{base}-{number}", number + 1
        found[name] = NamedWorker(name, record, True)
    known = {each.id for each in alive}
    for record in sorted(workers, key=lambda each: each.beat_ms, reverse=True):
        if record.id not in known:
            found.setdefault(_place(record), NamedWorker(_place(record), record, False))
    return sorted(found.values(), key=lambda each: each.name)


def _place(record: WorkerRecord) -> str:
    return f"{record.host}-{record.slot}"
