"""Cron lines in a time zone: the fields are read by cronsim, on a clock without a zone; the zone is dealt with here.

Daylight saving follows Vixie cron, and with it cronie and Debian's (cron(8), "Daylight Saving Time and other time
changes"): a line whose minute and hour are both fixed runs once on every day it names. When its time does not exist
that day it runs at the first moment after the gap; when its time comes twice it runs at the first. A line whose minute
or hour begins with ``*`` follows elapsed time: it has no run in the gap, and runs in both passes of an hour that comes
twice.

cronsim knows the rule, but not everywhere: it misses runs where clocks move by half an hour, and after a look from
within the second pass it can name a time that has gone by.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from callboard.errors import InvalidSchedule

NICKNAMES = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # wall time: what a clock shows, without a zone
_MINUTE, _DAY = 60, 86_400

#: Wall time that a cron line cannot go beyond.
_LAST = datetime(9998, 1, 1)  # noqa: DTZ001  # as above


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name, such as ``Europe/Berlin``.

    Raises: InvalidSchedule when there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):  # OSError: "Europe" is a folder of zones
        raise InvalidSchedule(f"timezone {name!r} is none of the IANA database, such as Europe/Berlin") from None


class Cron:
    """When a cron line comes due in a zone. Not to be shared by threads: a look moves its place."""

    def __init__(self, text: str, zone: ZoneInfo) -> None:
        """``text``: five fields, or a nickname such as ``@daily``.

        Raises: InvalidSchedule saying which field cannot be read.
        """
        line = NICKNAMES.get(text.lower(), text)
        if line.startswith("@"):
            raise InvalidSchedule(f"cron {text!r} is none of {', '.join(NICKNAMES)}")
        fields = line.split()
        if len(fields) != 5:
            raise InvalidSchedule(f"cron {text!r} has {len(fields)} fields: minute hour day-of-month month day-of-week")
        try:
            self._sim = CronSim(line, _EPOCH)
        except (CronSimError, AssertionError, ValueError) as error:  # it asserts what some wrong lines break
            field = str(error).removeprefix("Bad ") if isinstance(error, CronSimError) else "day-of-week"
            raise InvalidSchedule(f"cron {text!r} cannot be read: its {field} is wrong") from None
        self._zone = None if zone.key in ("UTC", "Etc/UTC") else zone
        self._follows_elapsed_time = fields[0].startswith("*") or fields[1].startswith("*")

    def after(self, second: int) -> int | None:
        """The first time after ``second``, both in seconds since the epoch; None when there is none within 50 years."""
        if self._zone is None:
            found = self._next_wall(_wall(second))
            return None if found is None else _seconds(found)
        return self._after_elapsed(second) if self._follows_elapsed_time else self._after_fixed(second)

    def _next_wall(self, wall: datetime) -> datetime | None:
        """The first wall time after the minute of ``wall`` that the fields name."""
        if wall > _LAST:
            return None
        self._sim.dt = wall.replace(second=0, microsecond=0)
        try:
            return next(self._sim)
        except (StopIteration, OverflowError, ValueError):  # the calendar's end comes as one of the latter two
            return None

    def _offset(self, second: int) -> int:
        """How far the zone's clocks are ahead of UTC (seconds)."""
        offset = datetime.fromtimestamp(second, self._zone).utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    def _after_fixed(self, second: int) -> int | None:
        wall: datetime | None = _wall(second + self._offset(second))
        while wall is not None and (wall := self._next_wall(wall)) is not None:
            # In the second pass of an hour, wall times still to come have had their first one.
            if (at := self._moment(wall)) > second:
                return at
        return None

    def _moment(self, wall: datetime) -> int:
        """When clocks show ``wall`` for the first time, or have just passed over it."""
        # At an ambiguous or missing wall time these are the offsets before and after the change.
        before, after = (
            int(offset.total_seconds())
            for fold in (0, 1)
            if (offset := wall.replace(tzinfo=self._zone, fold=fold).utcoffset()) is not None
        )
        at = _seconds(wall) - before
        if after <= before:
            return at
        return self._change(_seconds(wall) - after, at, before) or at

    def _after_elapsed(self, second: int) -> int | None:
        at, offset = second, self._offset(second)
        wall = _wall(at + offset)
        while (found := self._next_wall(wall)) is not None:
            candidate = _seconds(found) - offset
            change = self._change(at, candidate, offset)
            if change is None:
                return candidate
            # Clocks show other times from here on: look again, with this very moment as the first that may match.
            at, offset = change, self._offset(change)
            wall = _wall(at + offset) - timedelta(seconds=_MINUTE)
        return None

    def _change(self, after: int, until: int, offset: int) -> int | None:
        """The first second in (``after``, ``until``] at which the zone's offset is another than ``offset``.

        Changes that take each other back within a day are not seen: no zone has had such.
        """
        low = after
        while low < until:
            high = min(low + _DAY, until)
            if self._offset(high) != offset:
                while high - low > 1:
                    middle = (low + high) // 2
                    if self._offset(middle) == offset:
                        low = middle
                    else:
                        high = middle
                return high
            low = high
        return None


def _wall(second: int) -> datetime:
    return _EPOCH + timedelta(seconds=second)


def _seconds(wall: datetime) -> int:
    return (wall - _EPOCH) // timedelta(seconds=1)
