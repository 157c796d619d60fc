"""Schedules are made and changed: with the next tick, which counts from now."""

from __future__ import annotations

from callboard.errors import InvalidSchedule
from callboard.schedules.definition import Definition
from callboard.schedules.state import Entry
from callboard.schedules.times import Times
from callboard.store.store import Store
from callboard.verbs import schedules


def put_schedule(store: Store, definition: Definition, origin: str, *, may_be_over: bool = False) -> tuple[int, Entry]:
    """Make a schedule, or change the one of its id: from now on it ticks by the new definition alone.

    ``may_be_over``: one without any tick from now on is kept as ended.

    Returns: what was done (see ``verbs.schedules``), and the schedule as it is.
    Raises: InvalidSchedule when it has no tick from now on.
    """
    now = schedules.now_ms(store)
    first = Times(definition).after(now // 1000)
    if first is None and not may_be_over:
        raise InvalidSchedule(f"schedule {definition.id!r} ({definition.when}) has no tick from now on")
    code, entry, before = schedules.put(store, definition, origin, first or 0)
    if code == schedules.CHANGED:
        # Somebody may be about to add a tick of the old definition.
        schedules.bar(store, before or definition.queue, definition.id, now)
    return code, entry
