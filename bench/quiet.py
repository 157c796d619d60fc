"""Other programs on the machine disturb a measurement. How much they did is known afterwards: all CPU time of the two
cores, without that of this process and all it started. A measurement that was disturbed is taken again, for
every system alike, as long as the run's patience lasts; how many stayed disturbed is a row of the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psutil

from bench.processes import orphans_cpu_seconds
from bench.rows import Outcome, Row, info

T = TypeVar("T")

#: More than this share of the two cores used by others makes a measurement worthless.
LIMIT = 0.10

#: Times one measurement is taken at most.
_ATTEMPTS = 3


class Quiet:
    """Watches over one run. ``patience_s``: seconds that taking measurements again may cost in all."""

    def __init__(self, patience_s: float, cores: list[int]) -> None:
        self._patience_s = patience_s
        self._cores = cores
        self._taken = 0
        self._again = 0
        self._disturbed = 0

    def take(self, measure: Callable[[], T], say: Callable[[str], None]) -> T:
        """The result of ``measure()``, undisturbed if possible; otherwise that of its least disturbed attempt."""
        self._taken += 1
        attempts: list[tuple[float, T]] = []
        while True:
            start, ours, everybodys = time.monotonic(), _our_seconds(), _busy_seconds(self._cores)
            result = measure()
            took = time.monotonic() - start
            others = (_busy_seconds(self._cores) - everybodys) - (_our_seconds() - ours)
            share = max(0.0, others / (took * len(self._cores)))
            attempts.append((share, result))
            if share <= LIMIT:
                return result
            if len(attempts) == _ATTEMPTS or took > self._patience_s:
                self._disturbed += 1
                return min(attempts, key=lambda attempt: attempt[0])[1]
            say(f"other programs used {100 * share:.0f} % of the cores: once more")
            self._patience_s -= took
            self._again += 1

    def outcome(self) -> Outcome:
        """How quiet it was."""
        note = f"of {self._taken}; {self._again} were taken again"
        row: Row = info("measurements disturbed by other programs", self._disturbed, "", note)
        return Outcome([row] if self._taken else [])


def _our_seconds() -> float:
    """CPU time of this process and its descendants, those that have ended included."""
    total = orphans_cpu_seconds()
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return total


def _busy_seconds(cores: list[int]) -> float:
    """Time in which the cores were not idle, for whomever."""
    total = 0.0
    for core, times in enumerate(psutil.cpu_times(percpu=True)):
        if core in cores:
            # On Linux, the time of guests is part of user time already.
            total += sum(times) - times.idle
            total -= sum(getattr(times, name, 0.0) for name in ("iowait", "guest", "guest_nice"))
    return total
