"""The lease keeper: renews what this process holds, and ends a process that can no longer do so.

This thread never logs and takes no lock that a job can hold. It re-arms ``faulthandler``'s watchdog, which runs in C
without the GIL: a process whose GIL is held (one regular expression can do that for seconds, a native loop for ever)
dies after four leases with every thread's stack on stderr, and its jobs are recovered.
"""

from __future__ import annotations

import faulthandler
import threading
from collections.abc import Callable, Mapping
from typing import IO, Any

from callboard.catalogue import QueueSpec
from callboard.errors import StoreUnavailable
from callboard.store.store import Store
from callboard.verbs.leases import extend_call
from callboard.worker.job import Job

#: Leases are renewed three times within their length; a failed renewal is tried again sooner (seconds).
RENEWALS = 3
_AGAIN_S = 1.0

#: A process that could not renew for so many leases ends itself.
WATCHDOG_LEASES = 4

#: Jobs renewed in one script call.
_STEP = 500


class LeaseKeeper:
    """Renews leases of what ``held()`` gives; calls ``on_lost(job)`` for a job that belongs to another by now."""

    def __init__(
        self,
        store: Store,
        worker_id: str,
        catalogue: Mapping[str, QueueSpec],
        held: Callable[[], dict[str, list[Job]]],
        on_lost: Callable[[Job], None],
        *,
        watchdog: IO[Any] | int | None,
    ) -> None:
        self._store = store
        self._worker = worker_id
        self._catalogue = catalogue
        self._held = held
        self._on_lost = on_lost
        self._watchdog = watchdog
        shortest = min(spec.lease_ms for spec in catalogue.values()) / 1000
        self._interval_s = shortest / RENEWALS
        self._fatal_s = WATCHDOG_LEASES * shortest
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="callboard-leases", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._rearm()
        self._thread.start()

    def stop(self) -> None:
        """Renew no more and disarm the watchdog."""
        self._stopping.set()
        self._thread.join(self._interval_s)
        if self._watchdog is not None:
            faulthandler.cancel_dump_traceback_later()

    def _rearm(self) -> None:
        if self._watchdog is not None:
            faulthandler.dump_traceback_later(self._fatal_s, exit=True, file=self._watchdog)

    def _run(self) -> None:
        wait = self._interval_s
        while not self._stopping.wait(wait):
            self._rearm()
            try:
                self._renew()
                wait = self._interval_s
            except Exception:  # noqa: BLE001 - this thread must not end, and must not log
                # Whatever it was (Redis away, a table that changed under the copy): sooner again, and no log.
                wait = min(_AGAIN_S, self._interval_s)

    def _renew(self) -> None:
        """Renew all leases. A queue whose script fails does not keep the others from it; the last failure is raised."""
        failure: Exception | None = None
        for queue, jobs in self._held().items():
            try:
                for first in range(0, len(jobs), _STEP):
                    self._renew_step(queue, jobs[first : first + _STEP])
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - raised below
                failure = error
        if failure is not None:
            raise failure

    def _renew_step(self, queue: str, step: list[Job]) -> None:
        call = extend_call(self._worker, self._catalogue[queue], [(j.stored_id, j.number) for j in step])
        codes: bytes = self._store.call(*call)
        for job, code in zip(step, codes, strict=True):
            if code == ord("0") and not job.ended and not job.given_back:
                self._on_lost(job)
