"""The housekeeper: every worker process looks after every queue of the catalogue, whatever its ``--queues``.

On a fixed interval it sweeps (recover, promote, trim, wake), delivers outboxes, says that the process lives, and ends a
process whose parent was killed.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from callboard.catalogue import Catalogue
from callboard.errors import CallboardError, FormatMismatch
from callboard.outbox import deliver_outbox
from callboard.store.store import Store
from callboard.verbs import fleet
from callboard.verbs.leases import Swept, sweep_call, swept

logger = logging.getLogger("callboard.housekeeper")

#: Once in so many beats the process looks whether its record is still there, and for long-gone workers, and says again
#: which actors it can run.
_LOOK_EVERY = 10

#: How long it delivers one outbox before it looks at what else is due (seconds).
_DELIVER_S = 0.2

#: Sweeps in a row while a queue has more to do: between them the process beats.
_SWEEPS_AT_ONCE = 50


class Housekeeper:
    """Sweeps, delivers and beats. ``describe()`` gives the process' record as it is now."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        describe: Callable[[], fleet.WorkerRecord],
        actors: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """``actors``: what is published of the actors that this process can run."""
        self._store = store
        self._catalogue = catalogue
        self._describe = describe
        self._actors = actors
        self._beat_s = store.settings.beat_ms / 1000
        shortest = min(spec.lease_ms for spec in catalogue.values())
        # A sweep must come well within half a lease of the one before, or it grants leases instead of recovering.
        self._sweep_s = min(store.settings.sweep_ms, shortest / 4) / 1000
        self._condition = threading.Condition()
        self._outboxes: set[str] = set()
        self._stopping = False
        self._parent = os.getppid()
        #: What Redis knows of this process; None: nothing, publish everything.
        self._told: tuple[int, str] | None = None
        self._beats = 0
        self._thread = threading.Thread(target=self._run, name="callboard-housekeeper", daemon=True)

    def start(self) -> None:
        """Begin at once with a beat and a sweep."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self._thread.join(self._store.settings.socket_timeout_s)

    def outbox_filled(self, queue: str) -> None:
        """The outbox of ``queue`` has messages: deliver them now."""
        with self._condition:
            self._outboxes.add(queue)
            self._condition.notify()

    def _run(self) -> None:
        next_beat = next_sweep = time.monotonic()
        while True:
            with self._condition:
                if not self._outboxes and not self._stopping:
                    self._condition.wait(max(0.0, min(next_beat, next_sweep) - time.monotonic()))
                if self._stopping:
                    return
                outboxes, self._outboxes = self._outboxes, set()
            try:
                for queue in outboxes:
                    self._deliver(queue)
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + self._beat_s
                    self._beat()
                if time.monotonic() >= next_sweep:
                    next_sweep = time.monotonic() + self._sweep_s
                    self._sweep()
            except FormatMismatch as error:
                logger.critical("%s; this worker ends", error)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            except CallboardError as error:
                logger.debug("housekeeping has to wait: %s", error)
                self._told = None
                with self._condition:
                    self._condition.wait(self._beat_s)
            except Exception:
                logger.critical("housekeeping failed and goes on", exc_info=True)

    def _deliver(self, queue: str) -> None:
        """Deliver an outbox, for a while: one that fills as fast as it is emptied must not keep it from its beats."""
        until = time.monotonic() + _DELIVER_S
        deliver_outbox(self._store, self._catalogue, queue, _DELIVER_S)
        if time.monotonic() >= until:
            self.outbox_filled(queue)

    def _beat(self) -> None:
        if os.getppid() != self._parent:
            logger.error("the parent process is gone; this worker ends")
            self._parent = os.getppid()
            os.kill(os.getpid(), signal.SIGTERM)
        record = self._describe()
        now = (record.busy, record.metrics_address)
        look = self._beats % _LOOK_EVERY == 0
        if look or self._told is None:
            fleet.publish(self._store, self._actors, again=self._told is not None)
        missing = fleet.beat(self._store, record, changed=now != self._told, look=look)
        self._told = None if missing else now
        self._beats += 1

    def _sweep(self) -> None:
        """Sweep all queues in one round trip, then again those that have more than one call may do."""
        specs = list(self._catalogue.values())
        for _ in range(_SWEEPS_AT_ONCE):
            calls = [sweep_call(spec, self._store.settings) for spec in specs]
            again = []
            for spec, reply in zip(specs, self._store.pipeline(calls), strict=True):
                if isinstance(reply, CallboardError):
                    raise reply
                if isinstance(reply, Exception):
                    logger.error("sweep of %s failed: %s", spec.name, reply)
                    continue
                found = swept(reply)
                self._report(spec.name, found)
                if found.more:
                    again.append(spec)
            specs = again
            if not specs:
                return

    def _report(self, queue: str, found: Swept) -> None:
        if found.recovered:
            logger.warning("queue %s: %d jobs of lost workers were recovered", queue, len(found.recovered))
        for job_id in found.failed:
            logger.error("queue %s: job %s failed: too many of its starts were lost", queue, job_id)
        if found.granted:
            logger.info("queue %s: %d active jobs got a fresh lease", queue, found.granted)
        if found.outbox:
            self._deliver(queue)
