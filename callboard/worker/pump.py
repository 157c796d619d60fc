"""The pump: one thread that fetches and finishes for all queues of a process, and the only one to do so.

Worker threads hand ended jobs over with ``SimpleQueue.put``, which nothing can interrupt half-way; the pump sends what
has gathered, with the next fetch, as fast as round trips allow. It sleeps only when there is nothing to send.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Thread

from callboard.errors import StoreUnavailable
from callboard.settings import Settings
from callboard.store.store import Store
from callboard.verbs.cycle import MAX_FINISHES, CycleReply, CycleRequest
from callboard.verbs.leases import Held
from callboard.worker.exchange import Exchange
from callboard.worker.finish import FAILED, finish_of
from callboard.worker.job import Job
from callboard.worker.observer import Observer, tell_ended, tell_requeued
from callboard.worker.release import release
from callboard.worker.slots import Lane, Slots

logger = logging.getLogger("callboard.pump")

#: How long the pump rests after a failure of its own (seconds).
_AFTER_FAILURE_S = 0.1

#: How long the last flush may take (seconds).
LAST_FLUSH_S = 5.0


class Pump:
    """Fetches jobs and commits their ends.

    ``start_job`` hands a job to Dramatiq's threads; ``has_actor`` says whether this process has an actor of a name;
    ``on_outbox`` is called with a queue's name when its outbox has messages; ``on_listen`` with the queues whose marks
    this process wants; ``on_cancel`` with a job that was cancelled, again and again until it has ended.
    """

    def __init__(
        self,
        store: Store,
        worker_id: str,
        slots: Slots,
        *,
        start_job: Callable[[Job], None],
        has_actor: Callable[[str], bool],
        on_outbox: Callable[[str], None],
        on_listen: Callable[[set[str]], None],
        on_cancel: Callable[[Job], None],
    ) -> None:
        self._store = store
        self._settings: Settings = store.settings
        self._worker = worker_id
        self._slots = slots
        self._start_job = start_job
        self._has_actor = has_actor
        self._on_outbox = on_outbox
        self._on_listen = on_listen
        self._on_cancel = on_cancel
        #: Who hears what Redis took of this process' ends; None: nobody.
        self.observer: Observer | None = None
        self._inbox: SimpleQueue[Job | Callable[[], None]] = SimpleQueue()
        self._exchange = Exchange(store, worker_id, {n: lane.spec for n, lane in slots.lanes.items()}, self._known)
        self._ended: dict[str, list[Job]] = {name: [] for name in slots.lanes}
        #: Queue that has a job which must start alone: nothing is fetched until this process holds nothing.
        self._draining: str | None = None
        #: After an attempt to empty this process that came to nothing, no other until then (monotonic seconds).
        self._drain_after = 0.0
        self._alone: Job | None = None
        self._fetching = True
        self._closed = False
        self._beat_at = 0.0
        self._thread = Thread(target=self._run, name="callboard-pump", daemon=True)

    # Called from other threads

    def start(self) -> None:
        """Begin to fetch."""
        self._thread.start()

    def ended(self, job: Job) -> Job | None:
        """A job's attempt is over: commit it. Never raises.

        Returns: the reserved job that takes its slot, for the caller to start; None when there is none.
        """
        job.ended = True
        self._inbox.put(partial(self._drop, job) if job.given_back else job)
        following = self._slots.end(self._slots.lanes[job.queue_name])
        if following is not None and not following.start_known:
            self._slots.lanes[following.queue_name].fresh.append(following)
        return following

    def give_back(self, jobs: Iterable[Job]) -> None:
        """Jobs that were handed to Dramatiq and never started go back (at shutdown)."""
        self._inbox.put(partial(self._give_back, list(jobs), True))

    def woken(self, queue: str) -> None:
        """A mark of ``queue`` was taken: somebody has to look."""
        self._inbox.put(partial(self._woken, queue))

    def look_everywhere(self) -> None:
        """A mark may have been lost: ask every queue."""
        self._inbox.put(self._look_everywhere)

    def stop_fetching(self) -> None:
        """From now on nothing is fetched; what is reserved goes back at once. Running jobs are still finished."""
        self._inbox.put(self._stop_fetching)

    def close(self) -> None:
        """Flush the last finishes, give back what still runs, and end; takes at most ``LAST_FLUSH_S``."""
        self._exchange.deadline = time.monotonic() + LAST_FLUSH_S
        self._inbox.put(self._close)
        self._thread.join(LAST_FLUSH_S + 1)

    @property
    def connected(self) -> Event:
        """Set while Redis answers."""
        return self._exchange.connected

    def held(self) -> dict[str, list[Job]]:
        """What Redis holds for this process, by queue. Takes no lock."""
        return {name: list(lane.held.values()) for name, lane in self._slots.lanes.items() if lane.held}

    # The pump's thread

    def _run(self) -> None:
        while not self._closed:
            try:
                self._gather()
                self._step()
            except Exception:
                logger.critical("the pump failed and goes on", exc_info=True)
                Event().wait(_AFTER_FAILURE_S)
        self._last_flush()

    def _gather(self) -> None:
        """Wait until there is something to do, then take all that has come."""
        try:
            item = self._inbox.get(timeout=self._patience())
        except Empty:
            return
        self._take(item)
        self._take_all()

    def _take_all(self) -> None:
        while True:
            try:
                item = self._inbox.get_nowait()
            except Empty:
                return
            self._take(item)

    def _take(self, item: Job | Callable[[], None]) -> None:
        if isinstance(item, Job):
            self._ended[item.queue_name].append(item)
        else:
            item()

    def _patience(self) -> float:
        now = time.monotonic()
        until = min(self._beat_at, self._slots.earliest_hold())
        if self._fetching:
            until = min(until, *(lane.due_at for lane in self._slots.lanes.values()))
        return min(max(until - now, 0.0), 10.0)

    def _step(self) -> None:
        now = time.monotonic()
        expired = self._slots.withdraw(now)
        if expired:
            self._give_back(expired, False)
        requests = self._requests(now)
        if not requests:
            return
        replies = self._send(requests)
        for request, reply in zip(requests, replies, strict=True):
            self._settle(request, reply)
        self._fill()
        if self._slots.free > 0 and any(r.jobs and r.waiting for r in replies):
            self._inbox.put(_nothing)  # the fetch was cut short with work left: look again at once
        self._listen()

    def _requests(self, now: float) -> list[CycleRequest]:
        beat = now >= self._beat_at
        if beat:
            self._beat_at = now + self._settings.beat_ms / 1000
        wants = self._wanted(now)
        requests = []
        for name, lane in self._slots.lanes.items():
            ended = self._ended[name]
            at_once, ahead = wants.get(name, (0, 0))
            starts = self._fresh_starts(lane)
            due = self._fetching and now >= lane.due_at
            # Cancels reach running jobs with a beat at the latest, and so does the end of a claim on a lone job.
            listens = beat and (lane.running > 0 or name == self._draining)
            if not (ended or at_once or ahead or starts or due or listens):
                continue
            lane.observe(len(ended), now)
            while True:
                finishes = [finish_of(job, self._settings) for job in ended[:MAX_FINISHES]]
                request = self._exchange.request(name, finishes)
                requests.append(request)
                ended = ended[MAX_FINISHES:]
                if not ended:
                    break
            request.at_once, request.ahead, request.starts = at_once, ahead, starts
            self._ended[name] = []
        fetching = sum(1 for r in requests if r.at_once or r.ahead)
        holds = self._slots.occupied()
        for request in requests:
            request.holds = holds + max(0, fetching - 1)
        return requests

    def _wanted(self, now: float) -> dict[str, tuple[int, int]]:
        if not self._fetching or self._alone is not None:
            return {}
        if self._draining is not None:
            if self._slots.occupied() > 0:
                return {}
            return {self._draining: (1, 0)}
        for lane in self._slots.lanes.values():
            if now >= lane.due_at:
                lane.hungry = True
        return self._slots.wants()

    @staticmethod
    def _fresh_starts(lane: Lane) -> list[tuple[str, int]]:
        starts = []
        while lane.fresh:
            job = lane.fresh.popleft()
            if not job.ended and not job.given_back:
                job.start_known = True
                starts.append((job.stored_id, job.number))
        return starts

    def _send(self, requests: list[CycleRequest]) -> list[CycleReply]:
        replies, was_away = self._exchange.send(requests)
        if was_away:
            self._look_everywhere()
        return replies

    def _known(self) -> dict[str, list[Held]]:
        return {name: [(j.stored_id, j.number) for j in jobs] for name, jobs in self.held().items()}

    def _settle(self, request: CycleRequest, reply: CycleReply) -> None:
        """Take a cycle's reply: forget what is committed, reserve what came."""
        lane = self._slots.lanes[request.queue]
        if self.observer is not None and request.finishes:
            tell_ended(self.observer, request.queue, request.finishes, reply.codes, lane.held)
        for finish in request.finishes:
            job = lane.held.get(finish[0])
            if job is not None and job.number == finish[1]:
                self._let_go(job)
        now = time.monotonic()
        lane.paused = reply.paused
        lane.hungry = reply.waiting > 0 and not reply.paused
        lane.next_due_ms = reply.next_due_ms
        lane.due_at = now + max(0, reply.next_due_ms - reply.now_ms) / 1000 if reply.next_due_ms else float("inf")
        if reply.outbox:
            self._on_outbox(request.queue)
        for stored_id in reply.cancels:
            cancelled = lane.held.get(stored_id.decode())
            if cancelled is not None and not cancelled.ended:
                cancelled.cancel_asked = True
                self._on_cancel(cancelled)
        self._drain(lane, request, reply, now)
        self._reserve(lane, request, reply, now)

    def _drain(self, lane: Lane, request: CycleRequest, reply: CycleReply, now: float) -> None:
        """Empty this process for a job that must start alone, as long as its claim lasts and not again for as long: a
        job that runs for half an hour must not keep all other slots empty."""
        if self._draining == request.queue:
            if request.at_once:
                self._draining = None
            elif not reply.lone:
                self._draining, self._drain_after = None, now + lane.spec.lease_ms / 1000
        if reply.lone and self._draining is None and self._fetching and now >= self._drain_after:
            self._draining = request.queue
            self._give_back(self._slots.withdraw(), False)

    def _reserve(self, lane: Lane, request: CycleRequest, reply: CycleReply, now: float) -> None:
        jobs = []
        hold = now + self._settings.reserve_hold_ms / 1000
        rows, number, now_ms, at_once, held = reply.jobs, request.number, reply.now_ms, request.at_once, lane.held
        for i in range(0, len(rows), 3):
            job = Job(lane.spec, rows[i], rows[i + 1] or b"", rows[i + 2], number, now_ms)
            job.reserved_until = hold
            job.start_known = i // 3 < at_once
            held[job.stored_id] = job
            if not self._has_actor(job.actor_name):
                self._refuse(job, job.unreadable or f"no worker of this version has an actor {job.actor_name!r}")
                continue
            if job.alone:
                self._alone = job
            jobs.append(job)
        if not jobs:
            return
        if not self._fetching or (self._draining is not None and self._alone is None):
            self._give_back(jobs, False)
            return
        self._slots.put(lane, jobs)

    def _refuse(self, job: Job, reason: str) -> None:
        """A job that cannot run fails, with the reason, and the worker lives."""
        job.outcome, job.reason, job.error, job.ended = FAILED, reason, ("CannotRun", reason, ""), True
        logger.error("job %s of queue %s cannot run: %s", job.message_id, job.queue_name, reason)
        self._inbox.put(job)

    def _fill(self) -> None:
        while (job := self._slots.take()) is not None:
            self._start(job)

    def _start(self, job: Job) -> None:
        if not job.start_known:
            self._slots.lanes[job.queue_name].fresh.append(job)
        self._start_job(job)

    def _give_back(self, jobs: list[Job], had_slots: bool) -> None:
        """Release jobs that have not started. ``had_slots``: they were handed to Dramatiq already."""
        by_queue: dict[str, list[Job]] = {}
        for job in jobs:
            job.given_back = True
            by_queue.setdefault(job.queue_name, []).append(job)
        for queue, of_queue in by_queue.items():
            lane = self._slots.lanes[queue]
            released = release(self._store, self._worker, queue, of_queue)
            if self.observer is not None and released and not self._fetching:
                tell_requeued(self.observer, queue, released)
            for job in of_queue:
                self._let_go(job)
                following = self._slots.end(lane) if had_slots else None
                if following is not None:
                    self._start(following)
            lane.hungry = True

    def _drop(self, job: Job) -> None:
        """A job that was given back, or lost, before it started: nothing is owed for it."""
        self._let_go(job)

    def _let_go(self, job: Job) -> None:
        """Redis holds ``job`` no longer. Its id may have been fetched anew meanwhile: that one is still held."""
        held = self._slots.lanes[job.queue_name].held
        if held.get(job.stored_id) is job:
            del held[job.stored_id]
        if job is self._alone:
            self._alone = None

    def _listen(self) -> None:
        """Only a process with a free slot waits for marks, and only for queues that have room."""
        if not self._fetching or self._alone is not None or self._draining is not None or self._slots.free <= 0:
            self._on_listen(set())
            return
        self._on_listen({n for n, lane in self._slots.lanes.items() if lane.has_room() and not lane.hungry})

    def _woken(self, queue: str) -> None:
        lane = self._slots.lanes[queue]
        lane.hungry, lane.paused = True, False

    def _look_everywhere(self) -> None:
        for lane in self._slots.lanes.values():
            lane.hungry, lane.paused = True, False

    def _stop_fetching(self) -> None:
        self._fetching = False
        self._on_listen(set())
        self._give_back(self._slots.withdraw(), False)

    def _close(self) -> None:
        self._closed = True

    def _last_flush(self) -> None:
        """Commit what has ended; what still runs goes back at no cost, since this process ends now."""
        try:
            self._take_all()
            self._stop_fetching()
            requests = self._requests(time.monotonic())
            if requests:
                for request, reply in zip(requests, self._send(requests), strict=True):
                    self._settle(request, reply)
            running = [job for lane in self._slots.lanes.values() for job in list(lane.held.values())]
            if running:
                logger.warning("%d jobs still ran when the worker ended; they go back", len(running))
                self._give_back(running, False)
        except StoreUnavailable as error:
            logger.error("the last finishes could not be committed: %s", error)


def _nothing() -> None:
    """Makes the pump take another turn."""


__all__ = ["LAST_FLUSH_S", "Pump"]
