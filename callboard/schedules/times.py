"""When a schedule ticks: whole seconds since the epoch, within its start and end."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from callboard.schedules.cron import Cron, zone_of
from callboard.schedules.definition import Definition


class Times:
    """The ticks of a definition. Not to be shared by threads (see :class:`Cron`)."""

    def __init__(self, definition: Definition) -> None:
        """Raises: InvalidSchedule when its cron line or zone is wrong."""
        self._definition = definition
        self._cron = Cron(definition.cron, zone_of(definition.timezone)) if definition.cron else None

    def after(self, second: int) -> int | None:
        """The first tick after ``second``; None when there is none (any more)."""
        definition = self._definition
        if definition.start_s is not None:
            second = max(second, definition.start_s - 1)
        found = self._every(second) if self._cron is None else self._cron.after(second)
        if found is None or (definition.end_s is not None and found > definition.end_s):
            return None
        return found

    def coming(self, second: int, count: int) -> Iterator[int]:
        """At most ``count`` ticks after ``second``, in order."""
        at: int | None = second
        for _ in range(count):
            assert at is not None
            if (at := self.after(at)) is None:
                return
            yield at

    def _every(self, second: int) -> int:
        every = self._definition.every_s
        begin = 0 if self._definition.aligned else self._definition.start_s or 0
        return begin + ((second - begin) // every + 1) * every


def job_id(schedule: str, tick: int) -> str:
    """The id of the job of a tick: whoever makes it, it is the same job."""
    return f"{schedule}:{tick}"


def due_ms(definition: Definition, tick: int) -> int:
    """When the job of a tick is due (ms since the epoch): the tick, and its share of the jitter, which is the same
    whoever asks."""
    if not definition.jitter_s:
        return tick * 1000
    share = int.from_bytes(sha256(job_id(definition.id, tick).encode()).digest()[:8]) / 2**64
    return tick * 1000 + int(share * definition.jitter_s * 1000)
