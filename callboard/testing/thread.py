"""What stands for a worker process: Dramatiq's own code for one message, on the calling thread."""

from __future__ import annotations

from queue import PriorityQueue
from typing import Any, TypeGuard

from dramatiq import Broker
from dramatiq.threading import Interrupt
from dramatiq.worker import ConsumerThread, WorkerThread

from callboard import steps
from callboard.steps import Step
from callboard.testing.shelf import WORKER
from callboard.worker.job import Job
from callboard.worker.runtime import WorkerRuntime


class Killed(BaseException):
    """Raised at the step at which the process of a job is to die."""


class InlineJob(Job):
    """A job whose exception stays, for the test to look at."""

    def clear_exception(self) -> None:
        """Keep it."""


class InlineRuntime(WorkerRuntime):
    """A worker process without threads: attempts begin at the same gate, and their ends are left for the broker."""

    worker_id = WORKER

    def end(self, job: Job) -> None:
        """See WorkerRuntime."""
        self._local.job = None
        job.stop_clock()
        job.ended = True


class InlineThread:
    """A ``dramatiq.worker.WorkerThread`` that is never started: what it does with a message is called directly."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._queue: PriorityQueue[Any] = PriorityQueue()
        self._consumers: dict[str, ConsumerThread] = {}
        self._thread = WorkerThread(
            broker=broker, consumers=self._consumers, work_queue=self._queue, worker_timeout=0
        )  # fmt: skip

    def run(self, job: Job, killed_at: Step | None) -> None:
        """Run one job, hooks and actor and all. With ``killed_at`` its exception is ``Killed`` if it came there."""
        if job.queue_name not in self._consumers:
            consumer = ConsumerThread(
                broker=self._broker, queue_name=job.queue_name, prefetch=1, work_queue=self._queue, worker_timeout=0
            )
            consumer.consumer = self._broker.consume(job.queue_name)
            self._consumers[job.queue_name] = consumer
        self._queue.unfinished_tasks += 1  # process_message counts it down
        before = steps.on_reached
        if killed_at is not None:
            steps.on_reached = _dies_at(killed_at)
        try:
            self._thread.process_message(job)
        finally:
            steps.on_reached = before


def _dies_at(step: Step) -> Any:
    def die(reached: Step) -> None:
        if reached is step:
            raise Killed(f"killed at {step}")

    return die


def ends_the_test(exception: BaseException | None) -> TypeGuard[BaseException]:
    """Whether what an actor raised is none of its own: Ctrl-C, ``pytest.fail``. Workers make failed attempts of them;
    a test must hear of them."""
    return exception is not None and not isinstance(exception, (Exception, Interrupt, SystemExit, Killed))
