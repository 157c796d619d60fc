"""cycle: a worker process's one call a queue: finish what ended, promote what is due, fetch what it can start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from callboard.catalogue import QueueSpec
from callboard.packing import pack
from callboard.settings import Settings
from callboard.store.store import Call

#: At most so many finishes and fetched jobs a call, so that a script stays well below 5 ms.
MAX_FINISHES = 150
MAX_FETCH = 200

#: id, number of its fetch, outcome, duration (ms), extra (None for none); the script's header says what each is.
Finish = tuple[str, int, str, int, dict[str, Any] | None]


@dataclass(slots=True)
class CycleRequest:
    """One cycle of one queue, kept until its reply is here: after a lost reply it is sent again with its number."""

    queue: str
    number: int
    finishes: Sequence[Finish] = ()
    at_once: int = 0
    ahead: int = 0
    holds: int = 0
    starts: Sequence[tuple[str, int]] = ()


@dataclass(slots=True)
class CycleReply:
    """What a cycle gave. ``jobs`` is flat: stored id, payload, packed record, …; ``cancels``: stored ids of jobs of
    this worker that were cancelled. Times in ms by Redis' clock."""

    codes: bytes
    jobs: list[Any]
    waiting: int
    next_due_ms: int
    paused: bool
    lone: bool
    outbox: int
    now_ms: int
    cancels: list[bytes]


def policy(spec: QueueSpec, settings: Settings) -> bytes:
    """The packed policy of a queue, the same for each of its cycles."""
    fields = [spec.lease_ms, int(spec.fair), spec.max_stalls, spec.keep_completed, spec.keep_failed,
              settings.events_max, settings.attempts_kept]  # fmt: skip
    packed: bytes = pack(fields)
    return packed


def cycle_call(worker: str, request: CycleRequest, packed_policy: bytes) -> Call:
    """The call of ``request`` for worker ``worker``."""
    finishes = extras = b""
    if request.finishes:
        finishes = pack([part for f in request.finishes for part in f[:4]])
        places = [part for i, f in enumerate(request.finishes, 1) if f[4] for part in (i, f[4])]
        extras = pack(places) if places else b""
    starts = pack(request.starts) if request.starts else b""
    args = (worker, request.number, request.at_once, request.ahead, request.holds, packed_policy, finishes,
            extras, starts)  # fmt: skip
    return "cycle", request.queue, args


def cycle_reply(reply: list[Any]) -> CycleReply:
    """The reply of a cycle, named."""
    codes, jobs, waiting, next_due, paused, lone, outbox, now, cancels = reply
    return CycleReply(codes, jobs, waiting, next_due, paused == 1, lone == 1, outbox, now, cancels)
