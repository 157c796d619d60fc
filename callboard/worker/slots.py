"""Slots: which fetched job starts next, and how much to fetch.

A process has as many slots as threads. A lane is one queue in this process: what runs, what is reserved, what is known
about the queue in Redis. Everything here is under one lock with short sections; worker threads enter when a job ends.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable

from callboard.catalogue import QueueSpec
from callboard.verbs.cycle import MAX_FETCH
from callboard.worker.job import Job

#: How the recent rate of a lane is smoothed: weight of the newest window, and the least length of one (seconds).
_NEWEST, _WINDOW_S = 0.4, 0.02

#: Lanes that share the slots reserve so much more than their share, since some cycles take longer than others.
_SLACK = 1.25


class Lane:
    """One queue, as this process sees it."""

    def __init__(self, spec: QueueSpec) -> None:
        self.spec = spec
        self.limit = spec.max_per_process
        self.running = 0
        self.reserve: deque[Job] = deque()
        #: Work may be waiting: a mark came, or the last cycle left some.
        self.hungry = True
        self.paused = False
        self.next_due_ms = 0
        #: When due work should be asked for (monotonic seconds; inf: nothing is delayed).
        self.due_at = float("inf")
        #: Jobs that Redis holds for this process: reserved, running, or finished and not yet confirmed.
        self.held: dict[str, Job] = {}
        #: Started from the reserve; Redis is told with the next cycle.
        self.fresh: deque[Job] = deque()
        #: Stride scheduling: the lane with the least pass goes first.
        self.passed = 0.0
        self._ended = 0
        self._window_began = time.monotonic()
        self.rate = 0.0

    def has_room(self) -> bool:
        """Whether one more of this queue may run in this process."""
        return self.limit is None or self.running < self.limit

    def observe(self, ended: int, now: float) -> None:
        """``ended`` jobs finished since the last call; updates ``rate`` (jobs/s)."""
        self._ended += ended
        length = now - self._window_began
        if length >= _WINDOW_S:
            self.rate += _NEWEST * (self._ended / length - self.rate)
            self._ended, self._window_began = 0, now


class Slots:
    """The slots of a process, and the lanes that share them by weight."""

    def __init__(self, threads: int, lanes: Iterable[Lane], reserve_s: float) -> None:
        self.threads = threads
        self.lanes = {lane.spec.name: lane for lane in lanes}
        self.free = threads
        self._reserve_s = reserve_s
        self._lock = threading.Lock()
        self._clock = 0.0

    def occupied(self) -> int:
        """Jobs that run or are reserved."""
        with self._lock:
            return self.threads - self.free + sum(len(lane.reserve) for lane in self.lanes.values())

    def end(self, lane: Lane) -> Job | None:
        """A job of ``lane`` ended on the calling thread; returns the reserved job that takes its slot, if any."""
        with self._lock:
            lane.running -= 1
            self.free += 1
            return self._next()

    def take(self) -> Job | None:
        """The next reserved job that may start now, if any. Its slot is taken."""
        with self._lock:
            return self._next()

    def _next(self) -> Job | None:
        if self.free <= 0:
            return None
        best: Lane | None = None
        for lane in self.lanes.values():
            if lane.reserve and lane.has_room() and (best is None or lane.passed < best.passed):
                best = lane
        if best is None:
            return None
        self.free -= 1
        self._clock = max(self._clock, best.passed)
        best.passed = self._clock + 1 / best.spec.weight
        best.running += 1
        return best.reserve.popleft()

    def put(self, lane: Lane, jobs: Iterable[Job]) -> None:
        """Reserve fetched jobs; :meth:`take` starts them."""
        with self._lock:
            if not lane.reserve:
                lane.passed = max(lane.passed, self._clock)
            lane.reserve.extend(jobs)

    def withdraw(self, now: float | None = None) -> list[Job]:
        """Take jobs out of the reserve that are to go back: those whose hold ended before ``now``, or all."""
        with self._lock:
            withdrawn: list[Job] = []
            for lane in self.lanes.values():
                while lane.reserve and (now is None or lane.reserve[0].reserved_until <= now):
                    withdrawn.append(lane.reserve.popleft())
            return withdrawn

    def earliest_hold(self) -> float:
        """When the first reserved job is to go back (monotonic seconds; inf: none is reserved)."""
        with self._lock:
            heads = (lane.reserve[0].reserved_until for lane in self.lanes.values() if lane.reserve)
            return min(heads, default=float("inf"))

    def wants(self) -> dict[str, tuple[int, int]]:
        """How much to fetch: lane -> (start at once, reserve ahead).

        Free slots are dealt to the lanes that may have work, by weight. Ahead goes what would start within
        ``reserve_ms``, see :meth:`_ahead`.
        """
        with self._lock:
            hungry = [lane for lane in self.lanes.values() if lane.hungry and not lane.paused and lane.has_room()]
            if not hungry:
                return {}
            at_once = self._deal(hungry)
            ahead_of = self._ahead(hungry, at_once)
            wants = {}
            for lane in hungry:
                now = at_once[lane.spec.name]
                ahead = min(ahead_of[lane.spec.name], MAX_FETCH - now)
                if now or ahead:
                    wants[lane.spec.name] = (now, ahead)
            return wants

    def _ahead(self, hungry: list[Lane], at_once: dict[str, int]) -> dict[str, int]:
        """How much each lane reserves beyond what it has: what it starts within the reserve's time.

        While some lane has a reserve, a thread that ends a job goes on with the next and no slot is ever free. So the
        others must be able to reserve too, or they would wait until that lane's backlog is worked off: at least one
        job, and by and by what their weight lets them start of what the process starts in all. And no lane may reserve
        more than that: when the reserves are used up before the next cycle, what was reserved is what starts, whatever
        the weights say. A lane with a limit a process reserves only while there are others, and no more than may run;
        it takes no part in the shares, since it could leave its own unused.
        """
        everything = sum(lane.rate for lane in hungry) * self._reserve_s
        sharing = [lane for lane in hungry if lane.limit is None]
        total = _SLACK * sum(lane.rate for lane in sharing) * self._reserve_s
        weights = [lane.spec.weight for lane in sharing]
        # One fetch takes no more than MAX_FETCH; the other lanes keep their proportion to it.
        a_weight = min(total / sum(weights), MAX_FETCH / max(weights)) if weights else 0.0
        ahead = {}
        for lane in hungry:
            own = lane.rate * self._reserve_s
            contested = everything - own >= 1 or any(each.reserve for each in self.lanes.values() if each is not lane)
            if contested and lane.limit is None:
                own = max(min(a_weight * lane.spec.weight, 4 * own + 4 * self.threads), 1)
            elif lane.limit is not None:
                room = lane.limit - lane.running - at_once[lane.spec.name]
                own = min(max(own, 4 * self.threads), room) if contested else 0
            ahead[lane.spec.name] = max(0, int(own) - len(lane.reserve))
        return ahead

    def _deal(self, hungry: list[Lane]) -> dict[str, int]:
        dealt = {lane.spec.name: 0 for lane in hungry}
        free = min(self.free, MAX_FETCH)
        if len(hungry) == 1:
            lane = hungry[0]
            room = free if lane.limit is None else min(free, lane.limit - lane.running)
            dealt[lane.spec.name] = room
            return dealt
        passes = {lane.spec.name: max(lane.passed, self._clock) for lane in hungry}
        open_lanes = list(hungry)
        while free > 0 and open_lanes:
            lane = min(open_lanes, key=lambda each: passes[each.spec.name])
            name = lane.spec.name
            if lane.limit is not None and lane.running + dealt[name] >= lane.limit:
                open_lanes.remove(lane)
                continue
            dealt[name] += 1
            passes[name] += 1 / lane.spec.weight
            free -= 1
        return dealt
