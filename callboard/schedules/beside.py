"""The command ``periodiq`` beside: what it sends for an actor's schedule is a tick like any other, and added once.

Its messages carry the option ``scheduled_at``, by the clock of its machine. One that is no tick of the schedule (it
knows the machine's time zone alone, and reckons some lines wrongly) adds nothing; the deployment's own ticker is there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from callboard.catalogue import QueueSpec
from callboard.errors import QueueClosed, QueueFull, StoreUnavailable
from callboard.schedules.definition import Definition, decoded
from callboard.schedules.times import Times, due_ms, job_id
from callboard.schedules.turn import ADDED, BEFORE, FULL, IN_TIME_S
from callboard.store.store import Store
from callboard.verbs import schedules
from callboard.verbs.add import NewJob

#: The option by which periodiq says which tick its message is.
OPTION = "scheduled_at"

#: How far ahead of Redis' a clock may be (seconds).
_AHEAD_S = 1


def scheduled_at(options: dict[str, Any]) -> int | None:
    """The second that a message of periodiq's is for; None when it says none."""
    try:
        at = datetime.fromisoformat(options[OPTION])
    except (KeyError, TypeError, ValueError):
        return None
    return int(at.timestamp()) if at.tzinfo is not None else None


def add_tick(
    store: Store, spec: QueueSpec, declared: Definition, second: int, make: Callable[[str, int], NewJob]
) -> str | None:
    """Add the job of the tick at ``second`` (of its minute, when the schedule is a cron line), unless it was added.

    ``make``: given the job's id and when it is due (ms), the job.

    Returns: the job's id; None when it is no tick of the schedule, or not now: nothing was added.
    Raises: what ``make`` raises; QueueFull, QueueClosed, StoreUnavailable.
    """
    now, entry = schedules.get(store, declared.id)
    definition = declared
    if entry is not None:
        if entry.paused_ms or entry.ended or entry.queue != spec.name:
            return None
        definition = decoded(entry.definition)
    tick = second - second % 60 if definition.cron else second
    if not -IN_TIME_S <= tick - now // 1000 <= _AHEAD_S or Times(definition).after(tick - 1) != tick:
        return None
    job = make(job_id(definition.id, tick), due_ms(definition, tick))
    call = schedules.tick_call(spec, store.settings.events_max, now, [(definition, tick, job)])
    answer = schedules.ticked(store.call(*call))
    if answer == "closed":
        raise QueueClosed
    if answer == "late":
        raise StoreUnavailable("Redis took too long to answer")
    code = answer[0][0]
    if code == FULL:
        raise QueueFull
    return job_id(definition.id, tick) if code in (ADDED, BEFORE) else None
