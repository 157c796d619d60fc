"""What one look at a schedule brings about: which ticks are added now, which are passed over, when to look again.

Nothing here touches Redis: :func:`look` decides, the caller adds, and :func:`settle` takes what came of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from callboard.schedules.definition import Definition
from callboard.schedules.state import Entry
from callboard.schedules.times import Times

#: A tick that is at most so late counts as in time (seconds): a deployment may need as long to restart.
IN_TIME_S = 60

#: Ticks of one schedule that one look deals with; the rest follows at once, after the others have had their turn.
AT_ONCE = 100

#: Ticks that wait for the previous job at most; later ones are skipped.
MAX_QUEUED = 1_000

#: How often a schedule whose ticks wait is looked at (seconds): at first, and when the oldest has waited for long.
_SOON_S, _LATER_S = 1.0, 10.0

#: What came of a tick, as tick.lua says it: added; skipped; waits for the previous job; the queue is full; an earlier
#: one than the last.
ADDED, SKIPPED, WAITS, FULL, BEFORE = "a", "s", "w", "f", "b"


@dataclass(slots=True)
class Look:
    """``ticks`` are to be added now, in order. ``queued``: all that waits, the one in ``ticks`` first (overlap queue
    alone). ``skipped``: ticks that are passed over. ``next_s``: the first tick that is left for later."""

    ticks: list[int]
    queued: list[int] = field(default_factory=list)
    skipped: int = 0
    next_s: int | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """How a schedule stands after its look, as schedules_done.lua takes it. Ticks in seconds; ``look_ms``: when to look
    again, 0 for never."""

    id: str
    step: int
    look_ms: int
    next_s: int
    last_s: int
    last_job: str
    made: int
    skipped: int
    errors: int
    error: str
    ended: str
    queued: Sequence[int] = ()

    def row(self) -> tuple[object, ...]:
        """As the script takes it."""
        return (
            self.id, self.step, self.look_ms, self.next_s, self.last_s, self.last_job, self.made, self.skipped,
            self.errors, self.error, self.ended, list(self.queued),
        )  # fmt: skip


def look(times: Times, definition: Definition, entry: Entry, now_ms: int) -> Look:
    """What is to be done about a schedule at ``now_ms``."""
    now_s = now_ms // 1000
    in_time = now_s - IN_TIME_S
    due: list[int] = []
    skipped, missed = 0, None
    tick = entry.next_s or None
    for _ in range(AT_ONCE):
        if tick is None or tick > now_s:
            break
        if tick >= in_time or definition.catch_up == "all":
            due.append(tick)
        else:
            skipped += missed is not None
            missed = tick
        tick = times.after(tick)
    if missed is not None:
        is_last = tick is None or tick >= in_time
        if definition.catch_up == "one" and is_last:
            due.insert(0, missed)
        else:
            skipped += 1
    if definition.overlap != "queue":
        return Look(_within_limit(due, definition, entry), [], skipped, tick)
    waiting = _within_limit([*entry.queued, *due], definition, entry)
    skipped += len(waiting[MAX_QUEUED:])
    return Look(waiting[:1], waiting[:MAX_QUEUED], skipped, tick)


def _within_limit(ticks: list[int], definition: Definition, entry: Entry) -> list[int]:
    return ticks if definition.limit is None else ticks[: max(0, definition.limit - entry.made)]


def settle(
    definition: Definition, entry: Entry, seen: Look, outcomes: Iterable[tuple[str, str]], now_ms: int, error: str = ""
) -> Settled:
    """How the schedule stands after a look.

    ``outcomes``: what came of each of the look's ticks, and the stored id of its job; fewer than ticks when ``error``
    says why their jobs could not be made.
    """
    made = errors = 0
    skipped, last_s, last_job = seen.skipped, 0, ""
    queued = list(seen.queued)
    found = list(outcomes)
    for tick, (code, job) in zip(seen.ticks, found, strict=False):
        if code == WAITS:
            continue
        del queued[:1]
        if code == ADDED:
            made += 1
            last_s, last_job = tick, job
        elif code == BEFORE:
            made += 1  # by a process that died before it could say so
        elif code == SKIPPED:
            skipped += 1
        else:
            errors += 1
            error = error or f"queue {definition.queue!r} is full"
    lost = len(seen.ticks) - len(found)
    if lost:
        errors += lost
        del queued[:lost]
    ended = ""
    if definition.limit is not None and entry.made + made >= definition.limit:
        ended, queued = "limit", []
    elif seen.next_s is None and not queued:
        ended = "end"
    next_s = 0 if ended else seen.next_s or 0
    return Settled(
        entry.id, entry.step, 0 if ended else _look_ms(next_s, queued, now_ms), next_s, last_s, last_job, made, skipped,
        errors, error, ended, queued,
    )  # fmt: skip


def put_off(entry: Entry, look_ms: int) -> Settled:
    """Nothing could be done about a schedule: look again at ``look_ms``."""
    return Settled(entry.id, entry.step, look_ms, entry.next_s, 0, "", 0, 0, 0, "", "", entry.queued)


def _look_ms(next_s: int, queued: list[int], now_ms: int) -> int:
    if not queued:
        return next_s * 1000
    waited_s = now_ms / 1000 - queued[0]
    again = now_ms + int(1000 * min(max(waited_s / 10, _SOON_S), _LATER_S))
    return min(again, next_s * 1000) if next_s * 1000 > now_ms else again
