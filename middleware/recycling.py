"""Recycling: a worker process that has run enough jobs, or grown too large, ends in order and is started anew.

Libraries in C leak and heaps fragment: a fresh process is the cure that always works.
At its limit a process, one of a supervisor's at a time,

1. fetches no more, so that other processes get the jobs; what it had reserved goes back at once;
2. lets the jobs that run finish, however long they take (each has its time limit), an hour at most;
3. ends as at SIGTERM, with an exit code that the supervisor of ``callboard worker`` and ``callboard up`` knows: it
   starts the process again at once, and counts no crash.

The ``dramatiq`` command stops all its processes when one ends. There nothing is recycled, and a warning says so.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import signal
import threading
import time
from itertools import count
from pathlib import Path
from tempfile import gettempdir
from threading import Event, Thread
from types import FrameType
from typing import cast

import psutil
from dramatiq import Broker, Middleware, Worker
from dramatiq.broker import MessageProxy

from callboard import CallboardBroker
from callboard.settings import Settings
from callboard.worker.exits import RECYCLED

logger = logging.getLogger("callboard.recycling")

#: How often memory is looked at, whether the last jobs have ended, and whether it is its turn (seconds).
LOOK_S, DRAIN_LOOK_S, TURN_LOOK_S = 2.0, 0.05, 0.2

#: How long running jobs may take at most before they are ended as at any shutdown (seconds).
PATIENCE_S = 3600.0

#: Up to this share of the number of jobs is taken off by chance, so that siblings do not end all at once.
JITTER = 0.1

_MIB = 1 << 20


class Recycling(Middleware):
    """Ends its process after ``max_jobs`` attempts, or when more than ``max_memory_mb`` MiB are resident."""

    def __init__(self, max_jobs: int | None, max_memory_mb: int | None) -> None:
        """None: no such limit."""
        self._max_jobs = max_jobs
        self._max_memory_mb = max_memory_mb
        self._count = count(1)
        #: Why the process is to end; '' while it is not.
        self._why = ""
        self._look = Event()
        self._stopping = Event()
        #: It has asked for the end of its process; and how often that was asked for in all.
        self._asked = False
        self._terms = 0
        if max_jobs is not None:
            # A hook of every job, only where it is asked for.
            self.after_ack = self.after_nack = self._count_job  # type: ignore[method-assign]

    def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Begin to watch, in a process whose supervisor starts it again."""
        if "CALLBOARD_WORKER_SLOT" not in os.environ:
            logger.warning(
                "CALLBOARD_MAX_JOBS and CALLBOARD_MAX_MEMORY_MB do nothing here: the dramatiq command stops all its "
                "processes when one ends. Start workers with `callboard worker`"
            )
            self._max_jobs = None
            return
        if self._max_jobs is not None:
            self._max_jobs -= int(self._max_jobs * JITTER * random.random())
        if self._max_memory_mb is not None and (resident := resident_mib()) > self._max_memory_mb:
            logger.error(
                "CALLBOARD_MAX_MEMORY_MB is %d and does nothing: once it has booted the process has %d MiB resident",
                self._max_memory_mb, resident,
            )  # fmt: skip
            self._max_memory_mb = None
        if self._max_jobs is None and self._max_memory_mb is None:
            return
        self._stopping.clear()
        self._expect_terms()
        watch = Thread(target=self._watch, args=(broker, os.getppid()), name="callboard-recycling", daemon=True)
        watch.start()

    def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """The process ends, for whatever reason."""
        self._stopping.set()
        self._look.set()

    def _count_job(self, broker: Broker, message: MessageProxy) -> None:
        if next(self._count) == self._max_jobs:
            self._why = f"after {self._max_jobs:,} jobs"
            self._look.set()

    def _watch(self, broker: Broker, leader: int) -> None:
        while not self._stopping.is_set():
            self._look.wait(LOOK_S if self._max_memory_mb is not None else None)
            if not self._why and self._max_memory_mb is not None and (resident := resident_mib()) > self._max_memory_mb:
                self._why = f"{resident} MiB resident, over {self._max_memory_mb}"
            if self._why and not self._stopping.is_set():
                while not _has_turn(leader):  # it goes on working meanwhile
                    if self._stopping.wait(TURN_LOOK_S):
                        return
                self._recycle(cast("CallboardBroker", broker), leader)
                return

    def _expect_terms(self) -> None:
        """Dramatiq ends a process at once that gets SIGTERM twice. When a stop of the whole falls together with ours,
        the second is no impatience: who is impatient (the supervisor) kills."""
        if threading.current_thread() is not threading.main_thread():
            return  # a worker in a test's own process
        dramatiqs = signal.getsignal(signal.SIGTERM)

        def on_term(number: int, frame: FrameType | None) -> None:
            self._terms += 1
            if not (self._asked and self._terms > 1) and callable(dramatiqs):
                dramatiqs(number, frame)

        signal.signal(signal.SIGTERM, on_term)

    def _recycle(self, broker: CallboardBroker, leader: int) -> None:
        logger.info("recycling: %s", self._why)
        pump = broker.runtime.pump
        pump.stop_fetching()
        until = time.monotonic() + PATIENCE_S
        while pump.held() and time.monotonic() < until:
            if self._stopping.wait(DRAIN_LOOK_S):
                return  # somebody else ends it: that is no recycling
        if os.getppid() == leader:  # else the leader is gone, and the supervisor ends what it left behind
            broker.runtime.exit_code = RECYCLED
            self._asked = True
            # The leader, as from outside: it passes the signal on, once, and takes the end for the one it asked for.
            os.kill(leader, signal.SIGTERM)


def _has_turn(leader: int) -> bool:
    """Whether no other process of the same supervisor is on its way out; it then stays this one's turn until it ends.

    Else all could wait for long jobs at once, and nobody would run the others. The lock (flock(2)) ends with the
    process, however that ends.
    """
    try:
        path = Path(gettempdir()) / f"callboard-recycling-{os.getuid()}-{psutil.Process(leader).ppid()}"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except (OSError, psutil.Error):
        return True  # without a place for it there are no turns
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    return True


def resident_mib() -> int:
    """The resident size of this process (MiB)."""
    return int(psutil.Process().memory_info().rss) // _MIB


def recycling(settings: Settings) -> Recycling | None:
    """What the settings ask for; None for nothing."""
    if settings.max_jobs is None and settings.max_memory_mb is None:
        return None
    return Recycling(settings.max_jobs, settings.max_memory_mb)
