"""The clock of an inline broker: it stands still until a test moves it."""

from __future__ import annotations

import math
from datetime import UTC, datetime


class Clock:
    """A time that moves only when it is told to. Delays, retries and retention go by it.

    ``start`` is a datetime with a zone; without one the clock starts now.

    Raises: ValueError when ``start`` has no zone.
    """

    def __init__(self, start: datetime | None = None) -> None:
        if start is not None and start.tzinfo is None:
            raise ValueError(f"start {start} has no time zone")
        self._ms = int((start or datetime.now(UTC)).timestamp() * 1000)

    def __repr__(self) -> str:
        return f"<Clock at {self.now().isoformat()}>"

    @property
    def now_ms(self) -> int:
        """The time (ms since the epoch)."""
        return self._ms

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.fromtimestamp(self._ms / 1000, UTC)

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` go by. Jobs that become due wait until they are run.

        Raises: ValueError when ``seconds`` is negative: time does not go back.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"cannot advance by {seconds!r} seconds: give a number that is not negative")
        self._ms += round(seconds * 1000)

    def advance_to(self, ms: int) -> None:
        """Let the time be ``ms`` (since the epoch), unless it is later already."""
        self._ms = max(self._ms, ms)
