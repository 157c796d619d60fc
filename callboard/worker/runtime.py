"""The life of a worker process: made when Dramatiq's Worker boots, ended when it shuts down."""

from __future__ import annotations

import logging
import os
import platform
import socket
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from dramatiq import Broker, Worker
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Middleware, SkipMessage
from dramatiq.worker import WorkerThread

from callboard import payloads
from callboard.errors import CallboardError, FormatMismatch
from callboard.schedules.declared import OPTION as PERIODIC
from callboard.schedules.ticker import Ticker
from callboard.store.store import open_store
from callboard.verbs import fleet
from callboard.worker import exits
from callboard.worker.finish import BACK
from callboard.worker.housekeeper import Housekeeper
from callboard.worker.interrupter import Interrupter
from callboard.worker.job import Job
from callboard.worker.leasekeeper import LeaseKeeper
from callboard.worker.listener import Listener
from callboard.worker.observer import Observer
from callboard.worker.pump import Pump
from callboard.worker.slots import Lane, Slots

if TYPE_CHECKING:
    from callboard.broker import CallboardBroker

logger = logging.getLogger("callboard.worker")

#: The process's own stderr: Dramatiq's CLI replaces ``sys.stderr`` by a pipe, but not the descriptor.
STDERR = 2


class WorkerRuntime(Middleware):
    """First in the middleware order: starts and ends the engine's threads, and is the gate every start passes."""

    def __init__(self) -> None:
        self.interrupter = Interrupter()
        self._local = threading.local()
        self._pump: Pump | None = None
        self._worker: Worker | None = None
        #: What the process tells its supervisor when it has ended in order (see ``exits``).
        self.exit_code = 0
        #: ``host:port`` where this process' metrics are served; '' while they are not. Workers' records have it.
        self.metrics_address = ""

    @property
    def actor_options(self) -> set[str]:
        """The options that actors may declare."""
        return {"time_limit", "notify_shutdown", PERIODIC, *payloads.ACTOR_OPTIONS}

    # What the broker asks

    def current_job(self) -> Job | None:
        """The job that the calling thread is at work on."""
        return getattr(self._local, "job", None)

    @property
    def pump(self) -> Pump:
        """The pump of this process.

        Raises: RuntimeError outside a worker process.
        """
        if self._pump is None:
            raise RuntimeError("this process runs no worker: start one with `dramatiq` or `callboard worker`")
        return self._pump

    def observe(self, observer: Observer) -> None:
        """Have ``observer`` told from now on what this process does (see ``observer``).

        Raises: RuntimeError outside a worker process.
        """
        self.pump.observer = observer
        self._store.on_call = observer.called

    def attach(self, queue: str) -> None:
        """Dramatiq's consumer of ``queue`` is up."""
        with self._attached_lock:
            self._attached.add(queue)
            ready = self._attached >= self._expected
        if ready and not self._pump_started.is_set():
            self._pump_started.set()
            self.pump.start()

    def end(self, job: Job) -> None:
        """The attempt of ``job`` is over (ack or nack): hand it to the pump, and see to the job that takes its slot."""
        local = self._local
        local.job = None
        job.stop_clock()
        following = self.pump.ended(job)
        if following is None:
            return
        thread = threading.current_thread()
        if isinstance(thread, WorkerThread) and thread.running and not thread.paused:
            local.following = following
        else:
            self._start_job(following)

    # Dramatiq's hooks

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Make the engine of this process. Nothing was started at import or before the fork."""
        own = cast("CallboardBroker", broker)
        settings, catalogue = own.settings, own.catalogue
        self._worker = worker
        queues = [name for name in catalogue if name in broker.queues]
        if worker.consumer_whitelist:
            unknown = set(worker.consumer_whitelist) - set(broker.queues)
            if unknown:
                logger.warning("--queues names queues without an actor here: %s", ", ".join(sorted(unknown)))
            queues = [name for name in queues if name in worker.consumer_whitelist]
        self._expected = set(queues)
        self._attached: set[str] = set()
        self._attached_lock = threading.Lock()
        self._pump_started = threading.Event()

        self.worker_id = urlsafe_b64encode(os.urandom(9)).decode()
        self._started_ms = int(time.time() * 1000)
        self._version = f"{version('callboard')} (Python {platform.python_version()})"
        self._store = open_store(settings)
        self._slots = Slots(worker.worker_threads, [Lane(catalogue[q]) for q in queues], settings.reserve_ms / 1000)
        published = own.published_actors()
        self._check_format(published)
        self._housekeeper = Housekeeper(self._store, catalogue, self._describe, published)
        self._pump = Pump(
            self._store, self.worker_id, self._slots,
            start_job=self._start_job, has_actor=broker.actors.__contains__,
            on_outbox=self._housekeeper.outbox_filled, on_listen=self._listen,
            on_cancel=self.interrupter.cancel,
        )  # fmt: skip
        self._listener = Listener(self._store, queues, self._pump.woken, self._pump.look_everywhere)
        self._leases = LeaseKeeper(
            self._store, self.worker_id, catalogue, self._pump.held, self._lease_lost,
            watchdog=STDERR if settings.gil_watchdog else None,
        )  # fmt: skip
        self._ticker = Ticker(self._store, catalogue, self.worker_id, own.declared_schedules())
        self.interrupter.start()
        self._leases.start()
        self._housekeeper.start()
        if settings.schedules:
            self._ticker.start()
        self._listener.start()

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """The start gate: a job that was given back meanwhile does not start."""
        assert isinstance(message, Job)
        if message.given_back:
            raise SkipMessage("the job was given back before it started")
        if message.cancel_asked:
            message.outcome = BACK  # Redis knows that it was cancelled: it ends so, and no attempt is counted
            raise SkipMessage("the job was cancelled before it started")
        self._local.job = message
        message.started = time.monotonic()
        options = broker.actors[message.actor_name].options
        own = message.options
        if own or options:
            message.time_limit_ms = (
                own.get("time_limit") or options.get("time_limit") or message.spec.time_limit_ms
            )
            message.notify_shutdown = bool(own.get("notify_shutdown", options.get("notify_shutdown")))
        else:
            message.time_limit_ms = message.spec.time_limit_ms

    def after_ack(self, broker: Broker, message: MessageProxy) -> None:
        """The last hook of an attempt: its thread runs on with the jobs that take its slot.

        A turn through Dramatiq's work queue costs two locks and often a switch of threads, a quarter of a no-op job;
        here the thread that has the slot just goes on. See docs/decisions.
        """
        local = self._local
        if getattr(local, "runs_on", False) or getattr(local, "following", None) is None:
            return
        message.clear_exception()  # Dramatiq does so when this hook has returned, which may be long from now
        thread = threading.current_thread()
        assert isinstance(thread, WorkerThread)
        work_queue = thread.work_queue
        local.runs_on = True
        try:
            while (job := local.following) is not None:
                local.following = None
                with work_queue.all_tasks_done:
                    work_queue.unfinished_tasks += 1  # process_message counts it down
                thread.process_message(job)
        finally:
            local.runs_on = False

    after_nack = after_ack

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """SIGTERM: what has not started goes back at once; what runs and asked for it is told."""
        self.pump.stop_fetching()
        self.interrupter.shut_down()

    def close(self) -> None:
        """The last flush; the process is about to end."""
        if self._pump is None:
            return
        if self._pump_started.is_set():
            self._pump.close()
        self._ticker.stop()
        self._listener.stop()
        self._leases.stop()
        self._housekeeper.stop()
        self.interrupter.stop()
        try:
            fleet.unregister(self._store, self.worker_id)
        except CallboardError as error:
            logger.warning("could not unregister: %s", error)
        self._store.close()
        self._pump = None

    def _check_format(self, published: Mapping[str, Mapping[str, Any]]) -> None:
        """End the process before it touches data that it cannot read. Redis may be away: the housekeeper asks again."""
        try:
            fleet.publish(self._store, published)
        except FormatMismatch as error:
            logger.critical("%s; this worker ends", error)
            raise SystemExit(exits.FORMAT) from error
        except CallboardError as error:
            logger.warning("Redis cannot be reached yet: %s", error)

    # Between the threads

    def _start_job(self, job: Job) -> None:
        """Hand a job to Dramatiq's threads. Called by the pump, or by the thread whose job just ended."""
        assert self._worker is not None
        self._worker.consumers[job.queue_name].handle_message(job)

    def _listen(self, queues: set[str]) -> None:
        self._listener.want(queues)

    def _lease_lost(self, job: Job) -> None:
        if job.started:
            self.interrupter.lease_lost(job)
        else:
            job.given_back = True

    def _describe(self) -> fleet.WorkerRecord:
        return fleet.WorkerRecord(
            id=self.worker_id, host=socket.gethostname(), pid=os.getpid(),
            slot=int(os.environ.get("CALLBOARD_WORKER_SLOT", "0")), queues=sorted(self._expected),
            threads=self._slots.threads, busy=self._slots.threads - self._slots.free,
            version=self._version, started_ms=self._started_ms, metrics_address=self.metrics_address,
        )  # fmt: skip
