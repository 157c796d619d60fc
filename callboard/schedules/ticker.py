"""The ticker: a thread of every worker process. One of them at a time ticks the schedules of the deployment; when it
dies, stops or loses Redis, another takes over within seconds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from callboard.catalogue import Catalogue
from callboard.errors import CallboardError
from callboard.schedules.declared import declare
from callboard.schedules.definition import Definition
from callboard.schedules.ticking import Ticking
from callboard.store.store import Store
from callboard.verbs import locks
from callboard.verbs.locks import Lock

logger = logging.getLogger("callboard.schedules")

#: The lock under which one process ticks, how long it is held (ms), and how often renewed (seconds).
LOCK, LEASE_MS, RENEW_S = "schedules", 10_000, 4.0

#: How often a process looks at least: for the lock, and for schedules that were made meanwhile (seconds).
LOOK_S = 1.0


class Ticker:
    """Ticks while it holds the lock. The lock only saves work: that a tick is added once is seen to by tick.lua."""

    def __init__(self, store: Store, catalogue: Catalogue, owner: str, declared: Sequence[Definition]) -> None:
        """``owner``: the id of this process. ``declared``: what its actors declare."""
        self._store = store
        self._catalogue = catalogue
        self._owner = owner
        self._declared = list(declared)
        self._ticking = Ticking(store, catalogue)
        self._lock: Lock | None = None
        self._renew_at = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="callboard-ticker", daemon=True)

    def start(self) -> None:
        """Make known what is declared, then tick or wait for the turn to."""
        self._thread.start()

    def stop(self) -> None:
        """End after the page under way; others may tick at once."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(self._store.settings.socket_timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                wait_s = self._turn()
            except CallboardError as error:
                logger.debug("schedules have to wait: %s", error)
                self._lock, wait_s = None, LOOK_S
            except Exception:
                logger.critical("ticking failed and goes on", exc_info=True)
                wait_s = LOOK_S
            self._stopping.wait(wait_s)
        if self._lock is not None:
            try:
                locks.give_back(self._store, self._lock)
            except CallboardError as error:
                logger.debug("the lock of the schedules runs out by itself: %s", error)

    def _turn(self) -> float:
        """One look. Returns: how long to wait for the next (seconds)."""
        if self._declared:
            declare(self._store, self._declared)
            self._declared.clear()
        if not self._holds_lock():
            return LOOK_S
        begun = time.monotonic()
        found_ms, next_ms = self._ticking.page()
        if not next_ms:
            return LOOK_S
        left_s = (next_ms - found_ms) / 1000 - (time.monotonic() - begun)
        return min(max(0.0, left_s), LOOK_S)

    def _holds_lock(self) -> bool:
        now = time.monotonic()
        if self._lock is not None and now < self._renew_at:
            return True
        if self._lock is None or not locks.keep(self._store, self._lock, LEASE_MS):
            lock = locks.take(self._store, LOCK, self._owner, LEASE_MS)
            self._lock = lock if lock.taken else None
        self._renew_at = now + RENEW_S
        return self._lock is not None
