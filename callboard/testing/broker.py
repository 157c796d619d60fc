"""The inline broker: jobs in memory, run on the calling thread when a test says so."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from dramatiq import Message, Middleware

from callboard.broker import CallboardBroker
from callboard.errors import CallboardError, InvalidOption, JobNotFound
from callboard.ids import pack_id
from callboard.records import STATES, pack_record
from callboard.service import QueueService
from callboard.settings import Settings
from callboard.steps import Step
from callboard.testing.assertions import added_as, nothing_added
from callboard.testing.clock import Clock
from callboard.testing.memory import MemoryStore
from callboard.testing.seen import JobSeen, job_seen
from callboard.testing.shelf import Kept, Shelf
from callboard.testing.stand_ins import inline_stack, runs_inline
from callboard.testing.thread import InlineJob, InlineRuntime, InlineThread, Killed, ends_the_test
from callboard.worker.finish import finish_of
from callboard.worker.job import Job

logger = logging.getLogger("callboard.testing")

#: Jobs that one call runs before it takes them for endless.
LIMIT = 1_000


class Sent(Protocol):
    """What ``QueueService.add_job`` gives, and what :meth:`InlineBroker.jobs` gives."""

    @property
    def id(self) -> str: ...
    @property
    def queue(self) -> str: ...


class InlineBroker(CallboardBroker):
    """A :class:`callboard.CallboardBroker` without Redis and without threads.

    What is added passes the same door and is kept in memory; :meth:`run_one` and its like run it on the calling
    thread, through the same middleware and with the same ``current_job()``. Time is :attr:`clock`: it moves only when
    a test moves it, and delays have no jitter. Time limits and other interrupts are not here: they need a second
    thread.

    ``middleware`` is the stack as in production; see ``callboard.testing.stand_ins`` for what is left out of it.
    """

    def __init__(
        self, settings: Settings | None = None, *, middleware: Iterable[Middleware] = (), clock: Clock | None = None
    ) -> None:
        settings = _without_jitter(settings or Settings())
        self.clock = clock or Clock()
        self._memory = MemoryStore(settings, self.clock)
        given = list(middleware)
        stack = inline_stack(given, self._memory, self._run_for_result)
        super().__init__(settings, middleware=stack, store=self._memory, runtime=InlineRuntime())
        for left_out in given:
            # Its options may still be declared: they do nothing here.
            if not runs_inline(left_out):
                self.actor_options |= left_out.actor_options
        self._memory.published, self._memory.on_cancel = self.published_actors, self._cancelled
        self._running: Job | None = None
        self._exceptions: dict[tuple[str, str], BaseException | None] = {}
        #: Jobs of groups that have not completed, by barrier.
        self._barriers: dict[str, int] = {}
        self._fetches = 0
        self._thread = InlineThread(self)

    @property
    def service(self) -> QueueService:
        """The queue service on this broker, for code that adds jobs by name. What needs a server raises
        NotImplementedError."""
        return QueueService(self.settings, store=self._memory)

    # Running

    def run_one(self, *, killed_at: Step | None = None) -> JobSeen | None:
        """Run the due job that comes first: by priority, then in the order in which they began to wait.

        ``killed_at``: the job's process dies when it reaches this step, so that nothing of the attempt is committed and
        the job starts anew, as after a crash. (A process cannot die for one job alone, so ``finally`` blocks do run.)

        Returns: the job as it is afterwards; None when nothing is due.
        Raises: AssertionError when the job did not come to ``killed_at``; what ends a test (KeyboardInterrupt,
        ``pytest.fail``) passes through.
        """
        if self._running is not None:
            raise RuntimeError("jobs do not run inside of a job: run them when it has returned")
        found = self._take()
        if found is None:
            return None
        shelf, kept, job = found
        if job.actor_name not in self.actors:
            self._cannot_run(shelf, job)
        else:
            self._run(job, killed_at)
            if isinstance(job.exception, Killed):
                shelf.stall(kept)
            else:
                self._commit(shelf, job)
        seen = self._seen(shelf.spec.name, kept)
        if ends_the_test(seen.exception):
            raise seen.exception
        if killed_at is not None and not isinstance(seen.exception, Killed):
            raise AssertionError(f"the job did not come to the step {killed_at}; it is {seen}")
        return seen

    def run_all(self, *, limit: int = LIMIT) -> list[JobSeen]:
        """Run jobs until none is due, also those that they add. Time does not move.

        Returns: what ran, in order; a job that ran twice is there twice.
        Raises: AssertionError when more than ``limit`` ran.
        """
        ran: list[JobSeen] = []
        while (seen := self.run_one()) is not None:
            ran.append(seen)
            if len(ran) >= limit and self._next() is not None:
                raise AssertionError(f"{limit} jobs ran and there is no end of them; the last one: {seen}")
        return ran

    def run_until_idle(self, *, limit: int = LIMIT) -> list[JobSeen]:
        """Run jobs until there are none, and let the time pass to each that is delayed or retried.

        Returns, Raises: as :meth:`run_all`.
        """
        ran = self.run_all(limit=limit)
        while (due := self._next_due()) is not None:
            if len(ran) >= limit:
                raise AssertionError(f"{limit} jobs ran and there is no end of them; the last one: {ran[-1]}")
            self.clock.advance_to(due)
            ran += self.run_all(limit=limit - len(ran))
        return ran

    def join(self, queue_name: str, *, timeout: int | None = None, fail_fast: bool = True) -> None:
        """As that of Dramatiq's StubBroker: :meth:`run_until_idle`, then raise what a job of the queue failed of."""
        self.run_until_idle()
        for seen in self.jobs(queue_name, "failed") if fail_fast else ():
            raise seen.exception or CallboardError(f"{seen}")

    # Looking

    def jobs(self, queue: str | None = None, state: str | None = None) -> list[JobSeen]:
        """All jobs in the order in which they were added, of a queue and in a state if one is given.

        Raises: UnknownQueue; InvalidOption for an unknown state.
        """
        if state is not None and state not in STATES.values():
            raise InvalidOption(f"unknown state {state!r}; one of {', '.join(dict.fromkeys(STATES.values()))}")
        shelves = self._memory.shelves.values() if queue is None else [self._memory.shelves[self.catalogue[queue].name]]
        found = []
        for shelf in shelves:
            shelf.promote()
            found += [(kept.order, shelf, kept) for kept in shelf.jobs.values()]
        found.sort(key=lambda each: each[0])
        seen = [self._seen(shelf.spec.name, kept) for _, shelf, kept in found]
        return [each for each in seen if state is None or each.state == state]

    def job(self, sent: Message[Any] | Sent) -> JobSeen:
        """The job of a message, or of what ``add_job`` returned, as it is now.

        Raises: JobNotFound.
        """
        queue, job_id = (
            (sent.queue_name, sent.message_id) if isinstance(sent, Message) else (sent.queue, sent.id)
        )  # fmt: skip
        shelf = self._memory.shelves[self.catalogue[queue].name]
        shelf.promote()
        kept = shelf.jobs.get(pack_id(job_id))
        if kept is None:
            raise JobNotFound(f"no job {job_id!r} in queue {queue!r}")
        return self._seen(shelf.spec.name, kept)

    def assert_added(
        self,
        actor: Any,
        *,
        queue: str | None = None,
        payload: dict[str, Any] | None = None,
        args: tuple[Any, ...] | None = None,
        times: int | None = None,
        **fields: Any,
    ) -> list[JobSeen]:
        """Assert that jobs of ``actor`` (or of that name) were added, whatever became of them since.

        ``payload`` names values that must be in it, at any depth; ``fields`` are others of :class:`JobSeen`, such as
        ``workspace="acme"`` or ``state="delayed"``. ``times``: exactly so many; else at least one.

        Returns: them. Raises: AssertionError saying what was added instead.
        """
        return added_as(self.jobs(), actor, queue=queue, payload=payload, args=args, times=times, fields=fields)

    def assert_nothing_added(self, queue: str | None = None) -> None:
        """Assert that no job was added, or none to ``queue``."""
        nothing_added(self.jobs(queue), queue)

    # Clearing

    def flush(self, queue_name: str) -> None:
        """Forget the jobs of a queue."""
        self._memory.shelves[self.catalogue[queue_name].name].jobs.clear()

    def flush_all(self) -> None:
        """Forget all jobs."""
        for name in self.catalogue:
            self.flush(name)

    # Inside

    def _heads(self) -> list[tuple[Shelf, Kept]]:
        """The next job of each queue that has an actor here."""
        heads = [(shelf, shelf.head()) for name, shelf in self._memory.shelves.items() if name in self.queues]
        return [(shelf, kept) for shelf, kept in heads if kept is not None]

    def _next(self) -> tuple[Shelf, Kept] | None:
        return min(
            self._heads(),
            key=lambda each: (each[1].record.priority, max(each[1].record.added, each[1].record.ready), each[1].order),
            default=None,
        )

    def _next_due(self) -> int | None:
        due = [shelf.next_due() for name, shelf in self._memory.shelves.items() if name in self.queues]
        return min((each for each in due if each is not None), default=None)

    def _take(self) -> tuple[Shelf, Kept, Job] | None:
        found = self._next()
        if found is None:
            return None
        shelf, kept = found
        self._fetches += 1
        shelf.take(kept, self._fetches)
        packed = pack_record(kept.record)
        job = InlineJob(
            shelf.spec, kept.stored_id.encode(), kept.payload, packed, self._fetches, self.clock.now_ms
        )  # fmt: skip
        return shelf, kept, job

    def _run(self, job: Job, killed_at: Step | None) -> None:
        self._running = job
        try:
            self._thread.run(job, killed_at)
        finally:
            self._running = None
            self._exceptions[job.queue_name, job.stored_id] = job.exception

    def _commit(self, shelf: Shelf, job: Job) -> None:
        for message in shelf.finish(finish_of(job, self.settings)):
            if message[6:]:
                self._arrived(job, message[1], *message[6])
            else:
                self._deliver(job, message)

    def _deliver(self, job: Job, message: Sequence[Any]) -> None:
        queue, stored_id, payload, priority, workspace, delay = message
        row = (stored_id, payload, priority, workspace, delay, 0)
        try:
            self._memory.shelves[queue].add([row], self._memory.take_order())
        except CallboardError as error:
            logger.error("what job %s sent was refused: %s", job.message_id, error)

    def _arrived(self, job: Job, barrier: str, size: int, messages: Sequence[Sequence[Any]]) -> None:
        """A job of a group has completed; the last one sends what follows it."""
        left = self._barriers[barrier] = self._barriers.get(barrier, size) - 1
        for message in messages if left == 0 else ():
            self._deliver(job, message)

    def _cannot_run(self, shelf: Shelf, job: Job) -> None:
        reason = job.unreadable or f"no worker of this version has an actor {job.actor_name!r}"
        job.outcome, job.reason, job.error, job.ended = "f", reason, ("CannotRun", reason, ""), True
        self._commit(shelf, job)

    def _seen(self, queue: str, kept: Kept) -> JobSeen:
        return job_seen(queue, kept, self.clock.now_ms, self._exceptions.get((queue, kept.stored_id)))

    def _cancelled(self, queue: str, stored_id: str) -> None:
        job = self._running
        if job is not None and (job.queue_name, job.stored_id) == (queue, stored_id):
            job.cancel_asked = True

    def _run_for_result(self) -> None:
        if self._running is None:
            self.run_all()


def _without_jitter(settings: Settings) -> Settings:
    """The same settings, with delays that can be foretold."""
    queues = {name: {**spec.model_dump(), "backoff_jitter": 0.0} for name, spec in settings.catalogue.items()}
    return settings.model_copy(update={"queues": queues, "only_queues": True})
