"""Interrupts: time limits, cancels, shutdown, lost leases. The only place that raises an exception into another thread.

An attempt is armed right before its actor is called and disarmed right after it returned, both in :func:`guard`, so
that an exception can only surface inside the guarded call. Firing and disarming happen under one lock: once disarmed,
nothing is pending and nothing can be fired at the attempt, so no middleware hook ever sees a late interrupt.

An actor may hold interrupts back for a while (:meth:`Interrupter.held_back`): what comes due meanwhile is noted in the
job, under the same lock, and raised when the actor lets go.

Python delivers such an exception between two bytecodes of the thread: a call into native code is not interrupted before
it returns.
"""

from __future__ import annotations

import ctypes
import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dramatiq.middleware import Shutdown, TimeLimitExceeded

from callboard.current import CurrentJob, Speaker, set_current
from callboard.errors import JobCancelled, LeaseLost
from callboard.worker.job import Job

#: How often deadlines are looked at (seconds); so a time limit may be exceeded by as much.
INTERVAL_S = 0.05

_set_async_exc = ctypes.pythonapi.PyThreadState_SetAsyncExc


class Interrupter:
    """Interrupts the attempts of one worker process. ``start`` and ``stop`` bracket its life."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: dict[int, Job] = {}
        self._stopping = threading.Event()
        self._shutting_down = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch deadlines."""
        self._stopping.clear()
        self._shutting_down = False
        self._thread = threading.Thread(target=self._run, name="callboard-interrupter", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; armed attempts are left alone."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def arm(self, job: Job) -> None:
        """From now on this thread's call may be interrupted on behalf of ``job``."""
        job.deadline = job.started + job.time_limit_ms / 1000
        with self._lock:
            self._armed[threading.get_ident()] = job
            if self._shutting_down and job.notify_shutdown:
                self._fire(threading.get_ident(), job, Shutdown)

    def disarm(self) -> None:
        """This thread's call is over; what was fired and has not surfaced is taken back."""
        thread = threading.get_ident()
        with self._lock:
            job = self._armed.pop(thread, None)
            if job is not None and job.interrupted:
                _set_async_exc(ctypes.c_ulong(thread), None)

    def shut_down(self) -> None:
        """Raise Shutdown into the attempts that asked for it (``notify_shutdown``), now and from now on."""
        with self._lock:
            self._shutting_down = True
            for thread, job in self._armed.items():
                if job.notify_shutdown:
                    self._fire(thread, job, Shutdown)

    def lease_lost(self, job: Job) -> None:
        """Raise LeaseLost into the attempt of ``job`` if it still runs."""
        self._interrupt(job, LeaseLost)

    def cancel(self, job: Job) -> None:
        """Raise JobCancelled into the attempt of ``job`` if it runs. May be called again and again."""
        self._interrupt(job, JobCancelled)

    def _interrupt(self, job: Job, exception: type[BaseException]) -> None:
        with self._lock:
            self._fire_at(job, exception)

    @contextmanager
    def held_back(self, job: Job) -> Iterator[None]:
        """Nothing is raised into the attempt of ``job`` within. What came due meanwhile, the first of it, is raised at
        the end: here, or into the thread of the attempt when this is a coroutine's. Blocks may be nested.

        What was fired before surfaces before the block begins.
        """
        holding = False
        try:
            with self._lock:
                job.held_back += 1
                holding = True
            _let_surface()
            yield
        finally:
            # Without the hold the block never began, and an interrupt is on its way already.
            if holding:
                self._let_go(job)

    def _let_go(self, job: Job) -> None:
        with self._lock:
            job.held_back -= 1
            due = job.due
            if due is None or job.held_back:
                return
            job.due = None
            here = self._armed.get(threading.get_ident()) is job
            if here:
                job.interrupted = True
            else:
                self._fire_at(job, due)
        if here:
            raise due

    def _fire_at(self, job: Job, exception: type[BaseException]) -> None:
        """Call with the lock held."""
        for thread, armed in self._armed.items():
            if armed is job:
                self._fire(thread, armed, exception)

    def _fire(self, thread: int, job: Job, exception: type[BaseException]) -> None:
        """Call with the lock held. An attempt is interrupted once: an actor may be busy with its clean-up already."""
        if job.interrupted:
            return
        if job.held_back:
            job.due = job.due or exception
        else:
            job.interrupted = True
            _set_async_exc(ctypes.c_ulong(thread), ctypes.py_object(exception))

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL_S):
            now = time.monotonic()
            with self._lock:
                for thread, job in self._armed.items():
                    if now >= job.deadline:
                        self._fire(thread, job, TimeLimitExceeded)


def _let_surface() -> None:
    """Python raises what is pending in a thread when it enters a function, so at the latest here."""


def guard(
    fn: Callable[..., Any], interrupter: Interrupter, current: Callable[[], Job | None], speaker: Speaker
) -> Callable[..., Any]:
    """``fn`` with interrupts armed around it, and ``current_job()`` set, when a worker thread runs it for a job;
    unchanged for anyone else.

    ``current`` gives the job of the calling thread.
    """

    @functools.wraps(fn)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        job = current()
        if job is None or job.started == 0.0 or job.committing or job.guarded:
            return fn(*args, **kwargs)
        job.guarded = True
        set_current(CurrentJob(job, speaker, interrupter.held_back))
        interrupter.arm(job)
        try:
            result = fn(*args, **kwargs)
        finally:
            interrupter.disarm()
            set_current(None)
        if job.cancel_seen:
            raise JobCancelled("the actor saw that its job was cancelled, and returned")
        return result

    return guarded
