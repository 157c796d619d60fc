"""How a schedule stands: the packed entry in Redis on Python's side, and the view that callers get.

The layout is that of ``verbs/includes/schedule.lua``; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from callboard.ids import unpack_id
from callboard.packing import unpack
from callboard.schedules.definition import Definition, decoded

#: Who made a schedule: a caller, or an actor that declares it.
API, DECLARED = "api", "declared"

#: Places of the packed entry, in their order.
PLACES = (
    "revision", "step", "queue", "origin", "definition", "next", "last", "last_job", "made", "skipped", "errors",
    "error", "error_at", "paused", "pause_reason", "paused_by", "ended", "queued",
)  # fmt: skip


@dataclass(slots=True)
class Entry:
    """A schedule as it is stored. ``next_s``: its first tick that is not dealt with yet, 0 when there is none;
    ``queued``: ticks that wait for its previous job. Ticks in seconds, other times in ms."""

    id: str
    revision: int
    step: int
    queue: str
    origin: str
    definition: bytes
    next_s: int
    last_s: int
    last_job: str
    made: int
    skipped: int
    errors: int
    error: str
    error_ms: int
    paused_ms: int
    pause_reason: str
    paused_by: str
    ended: str
    queued: list[int]


def entry_of(schedule_id: str, packed: bytes) -> Entry:
    """The packed entry of a schedule, read."""
    values: list[Any] = unpack(packed)
    for i in _TEXTS:
        values[i] = values[i].decode(errors="replace")
    values[-1] = list(values[-1])  # an empty table of Lua's may come as an object
    return Entry(schedule_id, *values)


_TEXTS = {
    PLACES.index(name)
    for name in ("queue", "origin", "last_job", "error", "pause_reason", "paused_by", "ended")
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule and how it stands. Times are ms since the epoch by Redis' clock, 0 where there is none.

    ``next_ms``: its next tick; ``last_ms``, ``last_job``: the last tick that made a job, and that job. ``made`` counts
    jobs, ``skipped`` ticks that made none (missed, or the previous job had not ended), ``errors`` ticks whose job
    could not be added, ``queued`` ticks that wait for the previous job. ``ended`` says why it ticks no more ("limit",
    "end"); "" while it does.
    """

    definition: Definition
    origin: str
    next_ms: int
    last_ms: int
    last_job: str
    made: int
    skipped: int
    errors: int
    last_error: str
    last_error_ms: int
    queued: int
    paused: bool
    paused_since_ms: int
    paused_reason: str
    paused_by: str
    ended: str

    @property
    def id(self) -> str:
        """The schedule's id."""
        return self.definition.id

    @property
    def queue(self) -> str:
        """Where its jobs go."""
        return self.definition.queue

    @property
    def actor(self) -> str:
        """What its jobs run."""
        return self.definition.actor


def schedule_of(entry: Entry) -> Schedule:
    """The view of an entry."""
    is_over = bool(entry.ended or entry.paused_ms)
    return Schedule(
        definition=decoded(entry.definition), origin=entry.origin, next_ms=0 if is_over else entry.next_s * 1000,
        last_ms=entry.last_s * 1000, last_job=unpack_id(entry.last_job) if entry.last_job else "", made=entry.made,
        skipped=entry.skipped, errors=entry.errors, last_error=entry.error, last_error_ms=entry.error_ms,
        queued=len(entry.queued), paused=entry.paused_ms > 0, paused_since_ms=entry.paused_ms,
        paused_reason=entry.pause_reason, paused_by=entry.paused_by, ended=entry.ended,
    )  # fmt: skip


def flat(schedule: Schedule) -> dict[str, Any]:
    """A schedule as one object, for JSON."""
    view = {name: getattr(schedule, name) for name in Schedule.__dataclass_fields__ if name != "definition"}
    definition = {name: getattr(schedule.definition, name) for name in Definition.__dataclass_fields__}
    return {**definition, **view}
