"""schedules_put, _get, _list, _due, _done, _pause, _resume, _delete on the deployment's schedules; tick and tick_bar on
the queues that they add to."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from callboard.catalogue import QueueSpec
from callboard.packing import pack
from callboard.schedules.definition import Definition
from callboard.schedules.state import Entry, entry_of
from callboard.schedules.turn import Settled
from callboard.store.store import Call, Store
from callboard.verbs.add import NewJob

logger = logging.getLogger("callboard.schedules")

#: Schedules that one look deals with.
PAGE = 200

#: Schedules that one call of a list looks at.
_LOOKS = 1_000

#: What putting a schedule did.
MADE, CHANGED, SAME, OTHER_ORIGIN = 2, 1, 0, -1

#: Overlap as tick.lua takes it.
_OVERLAPS = {"allow": "a", "skip": "s", "queue": "q"}

#: How long a queue keeps what it knows of the ticks of a schedule that has left (ms): as in forsaken.lua.
_FORSAKEN_FOR_MS = 60_000


@dataclass(frozen=True, slots=True)
class Due:
    """A page of what is to be looked at. ``now_ms``: when; ``next_ms``: when the next one is due that is not in the
    page, 0 for none; ``marks``: what queues are to forget, as (member, queue, schedule, since when in ms)."""

    now_ms: int
    next_ms: int
    entries: list[Entry]
    marks: list[tuple[str, str, str, int]]


def now_ms(store: Store) -> int:
    """The deployment's time (ms since the epoch)."""
    return int(store.call("schedules_get", "", ("",))[0])


def put_call(definition: Definition, origin: str, next_s: int) -> Call:
    """The call that makes a schedule or changes it."""
    return "schedules_put", "", (definition.id, definition.queue, origin, definition.encoded(), next_s)


def put(store: Store, definition: Definition, origin: str, next_s: int) -> tuple[int, Entry, str]:
    """Make a schedule or change it; see schedules_put.lua.

    Returns: what was done, the schedule, and the queue that it was in before ("" for none, or the same).
    """
    code, packed, before = store.call(*put_call(definition, origin, next_s))
    return code, entry_of(definition.id, packed), before.decode()


def get(store: Store, schedule_id: str) -> tuple[int, Entry | None]:
    """(now in ms, the schedule if there is one)."""
    now, packed = store.call("schedules_get", "", (schedule_id,))
    return now, entry_of(schedule_id, packed) if packed else None


def page(store: Store, after: str, queue: str, limit: int) -> tuple[int, str, list[Entry]]:
    """Schedules after an id, in the order of ids; of one queue, or "" for all.

    Returns: how many there are of all queues, where the next page begins ("": it was the last), the schedules.
    """
    total, last, rows = store.call("schedules_list", "", (after, queue, limit, _LOOKS))
    return total, last.decode(), [entry_of(rows[i].decode(), rows[i + 1]) for i in range(0, len(rows), 2)]


def due(store: Store) -> Due:
    """The schedules that are to be looked at now, at most ``PAGE``."""
    now, following, rows = store.call("schedules_due", "", (PAGE,))
    entries, marks = [], []
    for i in range(0, len(rows), 3):
        member, at, packed = rows[i].decode(), rows[i + 1], rows[i + 2]
        queue, slash, schedule_id = member.partition("/")
        if slash:
            marks.append((member, queue, schedule_id, at - _FORSAKEN_FOR_MS))
        elif packed:
            try:
                entries.append(entry_of(member, packed))
            except (ValueError, TypeError, IndexError):
                logger.error("schedule %s is damaged: delete it and make it anew", member)
        else:
            marks.append((member, "", "", 0))  # a time without its schedule
    return Due(now, following, entries, marks)


def done(store: Store, settled: Sequence[Settled], marks: Sequence[str]) -> int:
    """Schedules move on. Returns: how many did; not those that were changed meanwhile."""
    return int(store.call("schedules_done", "", (pack([each.row() for each in settled]), pack(list(marks)))))


def pause(store: Store, schedule_id: str, reason: str, by: str) -> int:
    """See schedules_pause.lua."""
    return int(store.call("schedules_pause", "", (schedule_id, reason, by)))


def resume(store: Store, schedule_id: str, revision: int, next_s: int) -> int:
    """See schedules_resume.lua."""
    return int(store.call("schedules_resume", "", (schedule_id, revision, next_s)))


def delete(store: Store, schedule_id: str) -> tuple[int, str]:
    """(now in ms, the queue of the schedule that is gone; "" when there was none)."""
    now, queue = store.call("schedules_delete", "", (schedule_id,))
    return now, queue.decode()


def tick_call(
    spec: QueueSpec, events_max: int, found_ms: int, ticks: Sequence[tuple[Definition, int, NewJob]]
) -> Call:
    """The call that adds the jobs of ticks (schedule, second, job), which were found to be due at ``found_ms``."""
    rows = [
        (definition.id, tick * 1000, _OVERLAPS[definition.overlap], job.row()) for definition, tick, job in ticks
    ]  # fmt: skip
    return "tick", spec.name, (found_ms, 1 if spec.fair else 0, spec.max_length or 0, events_max, pack(rows))


def ticked(reply: Any) -> list[tuple[str, str]] | Literal["closed", "late"]:
    """The reply of a tick: what came of each, and the stored id of its job."""
    if reply[0] != 1:
        return "closed" if reply[0] == -2 else "late"
    codes: str = reply[1].decode()
    return list(zip(codes, [job.decode() for job in reply[2]], strict=True))


def bar(store: Store, queue: str, schedule_id: str, until_ms: int) -> None:
    """No tick of the schedule up to ``until_ms`` is added any more."""
    store.call("tick_bar", queue, (schedule_id, until_ms, 0))


def forget_call(queue: str, schedule_id: str, since_ms: int) -> Call:
    """The call by which a queue forgets a schedule that left it at ``since_ms``."""
    return "tick_bar", queue, (schedule_id, since_ms, 1)
