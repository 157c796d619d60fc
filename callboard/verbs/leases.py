"""extend, release, reclaim, sweep: who owns an active job, and for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from callboard.catalogue import QueueSpec
from callboard.packing import pack
from callboard.settings import Settings
from callboard.store.store import Call, Store

#: (stored id, number of the fetch that got it)
Held = tuple[str, int]


def extend_call(worker: str, spec: QueueSpec, held: Sequence[Held]) -> Call:
    """Renew the leases of ``held`` for ``lease_ms``. The reply is one character a job: 1 renewed, 0 lost."""
    return "extend", spec.name, (worker, spec.lease_ms, pack(held))


def release_call(worker: str, queue: str, held: Sequence[Held]) -> Call:
    """Give jobs back that have not started. The reply is one character a job: 1 released, 0 stale."""
    return "release", queue, (worker, pack(held))


def reclaim(store: Store, worker: str, queue: str, known: Sequence[Held], number: int = 0) -> int:
    """Give back what Redis holds for ``worker`` in ``queue`` and the worker does not know. Cycles up to ``number``
    that are still on their way to Redis will fetch nothing.

    Returns: how many jobs went back.
    Raises: StoreUnavailable.
    """
    flat = pack([part for pair in known for part in pair])
    total, rank = 0, 0
    while rank >= 0:
        count, rank = store.call("reclaim", queue, (worker, flat, rank, number))
        total += count
    return total


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep of one queue found. ``next_due_ms`` by Redis' clock, 0: none is delayed; ``more``: sweep again."""

    recovered: list[str]
    failed: list[str]
    granted: int
    outbox: int
    next_due_ms: int
    waiting: int
    more: bool


def sweep_call(spec: QueueSpec, settings: Settings) -> Call:
    """A queue's housekeeping: recover, promote, trim, wake."""
    fields = [spec.lease_ms, int(spec.fair), spec.max_stalls, spec.keep_completed_ms, spec.keep_failed_ms,
              settings.events_max, settings.attempts_kept]  # fmt: skip
    return "sweep", spec.name, (pack(fields),)


def swept(reply: list[Any]) -> Swept:
    """The reply of a sweep, named."""
    recovered, failed, granted, outbox, next_due, waiting, more = reply
    recovered, failed = [i.decode() for i in recovered], [i.decode() for i in failed]
    return Swept(recovered, failed, granted, outbox, next_due, waiting, more == 1)
