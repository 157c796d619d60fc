"""Schedules that actors declare: ``@dramatiq.actor(periodic=…)``. A schedule's id is its actor's name.

``periodic`` is periodiq's ``cron("…")``; or the text of a cron line, of which periodiq's own parser refuses some; or an
object of what ``add_repeating_job`` takes: ``{"cron": "0 9 * * mon", "timezone": "Europe/Berlin"}``. periodiq is a way
to write it down here; its engine is not used (docs/decisions).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from callboard.errors import InvalidSchedule
from callboard.schedules.definition import Definition, define
from callboard.schedules.putting import put_schedule
from callboard.schedules.state import DECLARED
from callboard.schedules.times import Times
from callboard.store.store import Store
from callboard.verbs.schedules import CHANGED, MADE, OTHER_ORIGIN

logger = logging.getLogger("callboard.schedules")

#: The actor's option.
OPTION = "periodic"

#: Fields of a periodiq.CronSpec, with all values that each may have.
_FIELDS: dict[str, Sequence[int]] = {
    "minute": range(60), "hour": range(24), "dom": range(1, 32), "month": range(1, 13), "dow": range(8),
}  # fmt: skip


class Periodic:
    """What an actor declares other than with periodiq's ``cron``, in the words that ``periodiq`` asks a CronSpec in, so
    that this command may run beside."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self._times = Times(definition)

    def validate(self, date: datetime) -> bool:
        """Whether it ticks in the minute of ``date`` (at that second, when it ticks every so many seconds)."""
        second = int(date.timestamp())
        if self.definition.cron:
            second -= second % 60
        return self._times.after(second - 1) == second

    def next_valid_date(self, last: datetime) -> datetime:
        """The first tick after ``last``; a time that never comes when there is none."""
        found = self._times.after(int(last.timestamp()))
        return datetime.max.replace(tzinfo=last.tzinfo) if found is None else datetime.fromtimestamp(found, last.tzinfo)

    def __str__(self) -> str:
        return self.definition.when


def declaration(actor: str, queue: str, periodic: Any) -> Definition:
    """The schedule that ``periodic`` declares for an actor.

    Raises: InvalidSchedule, naming the actor.
    """
    try:
        if isinstance(periodic, Periodic):
            return periodic.definition
        if isinstance(periodic, str):
            return define(queue, actor, cron=periodic, id=actor)
        if isinstance(periodic, Mapping):
            return define(queue, actor, **{**periodic, "id": actor})
        return define(queue, actor, cron=_text_of(periodic), id=actor)
    except InvalidSchedule as error:
        raise InvalidSchedule(f"{actor}: {error}") from None
    except TypeError as error:  # an argument that there is not
        raise InvalidSchedule(f"{actor}: periodic={periodic!r} is not a schedule: {error}") from None


def _text_of(spec: Any) -> str:
    """The cron line of a periodiq.CronSpec: the text that it was made from; or, after its ``replace``, its values."""
    if not all(hasattr(spec, name) for name in _FIELDS):
        raise InvalidSchedule(f"periodic={spec!r} is none of periodiq's cron(…), text, or an object")
    text = getattr(spec, "parsed_from", None)
    return str(text) if text else " ".join(_field(getattr(spec, name), every) for name, every in _FIELDS.items())


def _field(values: Iterable[int], every: Sequence[int]) -> str:
    found = sorted(set(values))
    return "*" if found == list(every) else ",".join(str(value) for value in found)


def declare(store: Store, definitions: Iterable[Definition]) -> None:
    """Make known what actors declare. What is known already stays as it is, pause and counts included.

    Raises: StoreUnavailable, StoreRefused.
    """
    for definition in definitions:
        code, _ = put_schedule(store, definition, DECLARED, may_be_over=True)
        if code in (MADE, CHANGED):
            logger.info("schedule %s: %s", definition.id, definition.when)
        elif code == OTHER_ORIGIN:
            logger.warning("schedule %s was added by a caller, and stays: its actor's own is not used", definition.id)
