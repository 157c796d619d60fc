"""The broker: Dramatiq's API on Callboard's queues."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from threading import Event
from typing import Any

from dramatiq import Actor, Broker, Consumer, Message, MessageProxy, Middleware
from dramatiq.errors import QueueJoinTimeout
from dramatiq.middleware import MiddlewareError

from callboard.door import MAX_PRIORITY, admit, check_actor_options, check_names
from callboard.errors import BadRequest, InvalidOption, UnknownQueue
from callboard.payloads import VERSION_OPTION, Contract, contract_of, taking
from callboard.registry import published
from callboard.results import keep_failure
from callboard.schedules import beside, declared
from callboard.schedules.definition import Definition
from callboard.settings import Settings
from callboard.store.store import Store, open_store
from callboard.verbs.add import NewJob, add
from callboard.verbs.looking import queue_stats, stats_call
from callboard.worker.finish import FAILED, RETRY, described, refuse
from callboard.worker.interrupter import guard
from callboard.worker.job import Job
from callboard.worker.runtime import WorkerRuntime
from callboard.worker.speaker import StoreSpeaker


class CallboardBroker(Broker):
    """A Dramatiq broker whose jobs can be seen and steered.

    ``middleware`` is the whole stack but for the engine's own, which comes first; see ``middleware.stack`` for the
    platform's. Dramatiq's Retries, TimeLimit and ShutdownNotifications are not needed: retries come from
    ``middleware.retries``, interrupts from the engine. ``store`` and ``runtime`` are for ``callboard.testing``.

    Raises: pydantic.ValidationError when settings do not fit. Nothing is connected before the first call.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        middleware: Iterable[Middleware] = (),
        store: Store | None = None,
        runtime: WorkerRuntime | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.catalogue = self.settings.catalogue
        self.store = store or open_store(self.settings)
        self.runtime = runtime or WorkerRuntime()
        self._speaker = StoreSpeaker(self.store, lambda: self.runtime.worker_id)
        self._contracts: dict[str, Contract] = {}
        self._schedules: dict[str, Definition] = {}
        self._hooks: dict[str, list[Callable[..., Any]]] = {}
        super().__init__(middleware=[])
        self.add_middleware(self.runtime)
        for each in middleware:
            self.add_middleware(each)

    # Middleware

    def add_middleware(
        self,
        middleware: Middleware,
        *,
        before: type[Middleware] | None = None,
        after: type[Middleware] | None = None,
    ) -> None:
        """As Dramatiq's."""
        super().add_middleware(middleware, before=before, after=after)
        self._hooks.clear()

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """As Dramatiq's, calling only the hooks that a middleware overrides."""
        name = "before_" + signal
        hooks = self._hooks.get(name)
        for hook in self._find_hooks(name) if hooks is None else hooks:
            try:
                hook(self, *args, **kwargs)
            except MiddlewareError:
                raise
            except Exception:
                self.logger.critical("Unexpected failure in %s of %r.", name, hook, exc_info=True)

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """As Dramatiq's, calling only the hooks that a middleware overrides."""
        name = "after_" + signal
        if signal in ("process_message", "skip_message"):
            args[0].committing = True
        hooks = self._hooks.get(name)
        for hook in self._find_hooks(name) if hooks is None else hooks:
            try:
                hook(self, *args, **kwargs)
            except Exception:
                self.logger.critical("Unexpected failure in %s of %r.", name, hook, exc_info=True)
        if "exception" in kwargs:
            _fail_undecided(args[0], kwargs["exception"])

    def _find_hooks(self, name: str) -> list[Callable[..., Any]]:
        empty = getattr(Middleware, name, None)
        in_order = self.middleware if name.startswith("before_") else list(reversed(self.middleware))
        hooks = [getattr(m, name) for m in in_order if getattr(type(m), name, None) is not empty or name in vars(m)]
        self._hooks[name] = hooks
        return hooks

    # Declaring

    def declare_actor(self, actor: Actor[Any, Any]) -> None:
        """Declare an actor on a queue of the catalogue. Its function can be interrupted when a worker runs it; with
        ``payload=Model`` it gets an instance of the model.

        Raises: UnknownQueue; InvalidOption for a priority that no job may have (0: the queue's default), or options
        that are out of range; InvalidSchedule for a schedule (``periodic=…``) that cannot be, PayloadInvalid when its
        payload is none that the actor takes.
        """
        name = actor.actor_name
        priority: Any = actor.priority
        if not isinstance(priority, int) or not 0 <= priority <= MAX_PRIORITY:
            raise InvalidOption(f"{name}: priority {priority!r} is not within 0…{MAX_PRIORITY}")
        try:
            check_actor_options(actor.options)
        except InvalidOption as error:
            raise InvalidOption(f"{name}: {error}") from None
        contract = contract_of(name, actor.options)
        if contract is not None:
            self._contracts[name] = contract
            actor.fn = taking(actor.fn, contract, self._version_of_running)
        if actor.options.get(declared.OPTION) is not None:
            self._declare_schedule(actor, contract)
        actor.fn = guard(actor.fn, self.runtime.interrupter, self.runtime.current_job, self._speaker)
        super().declare_actor(actor)

    def _declare_schedule(self, actor: Actor[Any, Any], contract: Contract | None) -> None:
        definition = declared.declaration(actor.actor_name, actor.queue_name, actor.options[declared.OPTION])
        check_names(definition.options, self.settings.job_options)
        admit(
            self.catalogue[actor.queue_name], actor.actor_name, (), definition.payload, definition.options, "check",
            actor_priority=actor.priority, takes=contract, timestamp=0,
        )  # fmt: skip
        if isinstance(actor.options[declared.OPTION], str | Mapping):
            actor.options[declared.OPTION] = declared.Periodic(definition)
        self._schedules[actor.actor_name] = definition

    def declared_schedules(self) -> list[Definition]:
        """The schedules that the actors of this broker declare (``periodic=…``)."""
        return list(self._schedules.values())

    def _version_of_running(self, actor: str) -> int | None:
        """The version of the payload of the job that this thread now starts; None when ``actor`` is called otherwise,
        such as plainly by another actor or by itself."""
        job = self.runtime.current_job()
        if job is None or not job.guarded or job.payload_read or job.actor_name != actor:
            return None
        job.payload_read = True
        return int(job.options.get(VERSION_OPTION, 1))

    def published_actors(self) -> dict[str, dict[str, Any]]:
        """What producers may know of this broker's actors, by name: queue, priority, options, and what each takes."""
        return {name: published(actor, self._contracts.get(name)) for name, actor in self.actors.items()}

    def declare_queue(self, queue_name: str) -> None:
        """Declare a queue of the catalogue. Idempotent.

        Raises: UnknownQueue.
        """
        if queue_name not in self.queues:
            _ = self.catalogue[queue_name]
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = None
            self.emit_after("declare_queue", queue_name)

    # Sending

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """Add a job; ``delay`` in ms.

        Between an actor's return and its ack, on its own thread, the message joins the attempt's finish: it is added
        together with it, by the attempt that holds the token, or not at all.

        Raises: UnknownQueue, InvalidOption, PayloadInvalid, PayloadTooLarge, QueueFull: nothing was added;
        StoreUnavailable: Redis did not answer within ``add_timeout_s``.
        """
        job = self.runtime.current_job()
        if job is not None and job.committing:
            self._enqueue_with_finish(job, message, delay)
            return message
        if beside.OPTION in message.options and message.actor_name in self._schedules:
            second = beside.scheduled_at(message.options)
            if second is not None:
                return self._enqueue_tick(message, second)
        spec = self.catalogue[message.queue_name]
        self.emit_before("enqueue", message, delay)
        admitted = self._admit(message, delay)
        add(self.store, spec, [admitted])
        self.emit_after("enqueue", message, delay)
        return message

    def _admit(self, message: Message[Any], delay: int | None) -> NewJob:
        actor = self.actors.get(message.actor_name)
        return admit(
            self.catalogue[message.queue_name], message.actor_name, message.args, message.kwargs, message.options,
            message.message_id, actor_priority=actor.priority if actor else 0,
            takes=self._contracts.get(message.actor_name), delay_ms=delay, timestamp=message.message_timestamp,
        )  # fmt: skip

    def _enqueue_tick(self, message: Message[Any], second: int) -> Message[Any]:
        """A message of the command ``periodiq``: added once with what this deployment ticks itself."""
        options = {name: value for name, value in message.options.items() if name != beside.OPTION}
        self.emit_before("enqueue", message, None)

        def make(job_id: str, due_ms: int) -> NewJob:
            job = self._admit(replace(message, message_id=job_id, options=options), None)
            job.due_ms = due_ms
            return job

        spec, definition = self.catalogue[message.queue_name], self._schedules[message.actor_name]
        job_id = beside.add_tick(self.store, spec, definition, second, make)
        if job_id is not None:
            message = replace(message, message_id=job_id, options=options)
            self.emit_after("enqueue", message, None)
        return message

    def _enqueue_with_finish(self, job: Job, message: Message[Any], delay: int | None) -> None:
        if message.message_id == job.message_id and message.queue_name == job.queue_name:
            # A middleware sends the job itself again, as Dramatiq's own Retries does: that is a retry.
            job.outcome, job.delay_ms = RETRY, delay or 0
            if job.exception is not None:
                job.error = described(job.exception)
            return
        self.emit_before("enqueue", message, delay)
        try:
            row = self.outbox_row(message, delay)
        except BadRequest as error:
            if job.exception is None:
                refuse(job, type(error).__name__, f"{message.actor_name} could not be sent: {error}")
            raise
        job.outbox = [*(job.outbox or ()), row]
        self.emit_after("enqueue", message, delay)

    def outbox_row(self, message: Message[Any], delay: int | None = None) -> tuple[Any, ...]:
        """A message as the outbox takes it (see ``verbs/includes/outbox.lua``), checked as by :meth:`enqueue`."""
        new = self._admit(message, delay)
        return message.queue_name, new.stored_id, new.payload, new.priority, new.workspace, new.delay_ms

    # Consuming

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30_000) -> Consumer:
        """A consumer of ``queue_name``. ``prefetch`` is ignored: the pump decides how much is fetched.

        Raises: UnknownQueue when the queue was not declared.
        """
        if queue_name not in self.queues:
            raise UnknownQueue(f"queue {queue_name!r} was not declared on this broker")
        return _Consumer(self, queue_name, timeout)

    def close(self) -> None:
        """End the worker side of this process, if any (last flush, at most 5 s), and close connections.

        Raises: SystemExit in a worker process that has something to tell its supervisor: nothing of it is left to do.
        """
        self.runtime.close()
        self.store.close()
        if self.runtime.exit_code:
            raise SystemExit(self.runtime.exit_code)

    # For tests and scripts

    def join(self, queue_name: str, *, timeout: int | None = None) -> None:
        """Wait until no job of the queue is waiting, delayed or active; ``timeout`` in ms.

        Raises: QueueJoinTimeout.
        """
        left = (timeout or 2**31) / 1000
        pause = 0.02
        while True:
            name = self.catalogue[queue_name].name
            stats = queue_stats(name, self.store.call(*stats_call(name)))
            if not (stats.waiting or stats.delayed or stats.active):
                return
            if left <= 0:
                raise QueueJoinTimeout(f"queue {queue_name!r} still has jobs after {timeout} ms")
            Event().wait(pause)
            left -= pause


def _fail_undecided(job: Job, exception: BaseException) -> None:
    """An attempt that raised, and that no middleware decided about (none is there for it, or it failed itself), has not
    completed."""
    if job.outcome is None and not job.failed:
        job.fail()
        job.error = described(exception)
        job.reason = ": ".join(part for part in job.error[:2] if part)


class _Consumer(Consumer):
    """What Dramatiq's ConsumerThread holds. Jobs do not come through it: the pump hands them to the thread's
    ``handle_message`` directly, which spares a thread switch a job. Ends go through it; it never raises."""

    def __init__(self, broker: CallboardBroker, queue_name: str, timeout: int) -> None:
        self._runtime = broker.runtime
        self._broker = broker
        self._queue_name = queue_name
        self._timeout_s = timeout / 1000
        self._attached = False
        self._closed = Event()

    def __next__(self) -> MessageProxy | None:
        if not self._attached:
            # Only now does the thread hold this consumer, so that an ack can reach it.
            self._attached = True
            self._runtime.attach(self._queue_name)
        self._closed.wait(self._timeout_s)
        return None

    def ack(self, message: MessageProxy) -> None:
        assert isinstance(message, Job)
        self._runtime.end(message)

    def nack(self, message: MessageProxy) -> None:
        assert isinstance(message, Job)
        if message.outcome in (None, FAILED):
            if message.error is None and message.exception is not None:
                message.error = described(message.exception)
                message.reason = message.error[1] or message.error[0]
            message.reason = message.reason or "a middleware failed the job and gave no reason"
            keep_failure(self._broker, message)
        self._runtime.end(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        jobs = [message for message in messages if isinstance(message, Job)]
        if jobs:
            self._runtime.pump.give_back(jobs)

    def close(self) -> None:
        self._closed.set()


