"""A small application in the test's own process: a broker with the platform's middleware, actors, Dramatiq's Worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage

from callboard import CallboardBroker
from callboard.door import admit
from callboard.ids import new_id
from callboard.records import JobView
from callboard.settings import Settings
from callboard.verbs import looking
from callboard.verbs.add import MAX_BATCH_JOBS, add
from middleware.stack import default_stack
from tests.support.wait import wait_until

#: States in which a job has come to its end.
ENDED = ("completed", "failed", "cancelled")

#: Three queues whose jobs are tried three times, ten milliseconds apart.
QUICK: dict[str, Any] = {
    "max_attempts": 3, "backoff": "fixed", "backoff_base_ms": 10, "backoff_cap_ms": 10_000, "backoff_jitter": 0.0,
}  # fmt: skip
QUEUES: dict[str, dict[str, Any]] = {"one": QUICK, "two": QUICK, "three": QUICK}


class App:
    """A broker and, once started, a worker. ``said`` is what actors and hooks noted, in order."""

    def __init__(self, settings: Settings, middleware: Iterable[dramatiq.Middleware] | None = None) -> None:
        """``middleware``: the whole stack, instead of the platform's."""
        self.settings = settings
        self.broker = CallboardBroker(
            settings, middleware=default_stack(settings) if middleware is None else middleware
        )
        self.said: list[Any] = []
        self._worker: dramatiq.Worker | None = None

    def actor(self, fn: Callable[..., Any] | None = None, **options: Any) -> Any:
        """``dramatiq.actor`` on this broker, on queue ``one`` unless the options say otherwise."""
        return dramatiq.actor(fn, **{"broker": self.broker, "queue_name": "one", **options})

    def start(self, threads: int = 4) -> dramatiq.Worker:
        """Start a worker."""
        self._worker = dramatiq.Worker(self.broker, worker_threads=threads, worker_timeout=20)
        self._worker.start()
        return self._worker

    def send_many(self, actor: str, all_args: Iterable[tuple[Any, ...]]) -> list[str]:
        """Add a job of ``actor`` for each of ``all_args``, in batches. Returns their ids."""
        queue = self.broker.get_actor(actor).queue_name
        spec = self.settings.catalogue[queue]
        ids = []
        batch = []
        for args in all_args:
            ids.append(new_id())
            batch.append(admit(spec, actor, args, {}, {}, ids[-1]))
            if len(batch) == MAX_BATCH_JOBS:
                add(self.broker.store, spec, batch)
                batch.clear()
        if batch:
            add(self.broker.store, spec, batch)
        return ids

    def stop_worker(self) -> None:
        """Stop the worker as the CLI does it at SIGTERM."""
        if self._worker is not None:
            self._worker.stop(timeout=10_000)
            self._worker = None
            self.broker.runtime.close()

    def close(self) -> None:
        """Stop everything."""
        self.stop_worker()
        self.broker.close()

    def say(self, what: Any) -> None:
        """Note something."""
        self.said.append(what)

    def job(self, message: dramatiq.Message[Any]) -> JobView:
        """The job of a message as it stands."""
        return looking.get_job(self.broker.store, message.queue_name, message.message_id)

    def ended(self, message: dramatiq.Message[Any], timeout_s: float = 10.0) -> JobView:
        """The job of a message once it has come to its end."""

        def look() -> JobView | None:
            job = self.job(message)
            return job if job.state in ENDED else None

        job = wait_until(look, timeout_s, lambda: f"the job to end; it is {self.job(message)}")
        assert job is not None
        return job

    def stats(self, queue: str) -> looking.QueueStats:
        """A queue at a glance."""
        return looking.queue_stats(queue, self.broker.store.call(*looking.stats_call(queue)))

    def drained(self, *queues: str) -> None:
        """Wait until nothing is pending in any of ``queues`` (default: all), outboxes included."""
        names = queues or tuple(self.settings.catalogue)

        def look() -> bool:
            stats = [self.stats(name) for name in names]
            return not any(s.waiting or s.delayed or s.active or s.outbox for s in stats)

        wait_until(look, 20, f"{names} to drain")

    def current(self) -> Any:
        """The job that the calling actor runs for."""
        return CurrentMessage.get_current_message()


class Gate:
    """An actor waits here until the test lets it go on; the test can wait until so many have come."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._count = 0
        self._lock = threading.Lock()

    def wait(self, timeout_s: float = 20.0) -> None:
        """Called by actors. In short steps, so that interrupts get through."""
        with self._lock:
            self._count += 1
        wait_until(self._open.is_set, timeout_s, "the test to open the gate")

    def reached(self, count: int = 1) -> None:
        """Wait until ``count`` actors have come."""
        wait_until(lambda: self._count >= count, 10, lambda: f"{count} actors at the gate; {self._count} came")

    def open(self) -> None:
        """Let everyone go on."""
        self._open.set()
