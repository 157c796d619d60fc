"""A producer under faults: adds batches of jobs and keeps account of what it was told."""

from __future__ import annotations

import random
import threading
from types import TracebackType
from typing import Self

from callboard import CallboardError, QueueService
from callboard.service import JobSpec
from tests.support.ledger import Ledger
from tests.support.wait import wait_until


class Producer:
    """A thread that adds jobs to queue ``work`` until it has added ``total`` or, at 0, until it is stopped.

    The ledger gets ``attempted`` before a call and ``acknowledged`` after it; an error in between leaves the jobs
    unknown: they may be there or not.
    """

    def __init__(
        self, service: QueueService, ledger: Ledger, rng: random.Random, total: int = 0, *, ms: int = 5,
        pause_s: float = 0.0, batch: int = 20, workspaces: int = 3,
    ) -> None:  # fmt: skip
        self._service = service
        self._ledger = ledger
        self._rng = rng
        self._total = total or 10**9
        self._ms = ms
        self._pause_s = pause_s
        self._batch = batch
        self._workspaces = workspaces
        self._name = f"p{rng.randrange(10**6)}"
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)
        #: How many jobs were attempted.
        self.attempted = 0
        #: What went wrong beyond an error of Callboard's.
        self.failure: BaseException | None = None
        #: Errors that calls raised, by type.
        self.errors: list[type[BaseException]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopping.set()
        self._thread.join()
        self._service.close()
        if error is None and self.failure is not None:
            raise self.failure

    def done(self, timeout_s: float = 60.0) -> None:
        """Wait until all was attempted."""
        wait_until(lambda: not self._thread.is_alive(), timeout_s, lambda: f"{self.attempted} of {self._total} added")

    def stop(self) -> None:
        """Add no more; returns when the last call is over."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while self.attempted < self._total and not self._stopping.wait(self._pause_s):
                self._add(min(self._rng.randint(1, self._batch), self._total - self.attempted))
        except BaseException as error:  # noqa: BLE001  # kept for the test's own thread, which raises it
            self.failure = error

    def _add(self, n: int) -> None:
        ids = [f"{self._name}-{self.attempted + i}" for i in range(n)]
        jobs = [
            JobSpec("work", {"ms": self._rng.randint(0, self._ms)}, id=each,
                    options={"workspace": f"w{self._rng.randrange(self._workspaces)}"})
            for each in ids
        ]  # fmt: skip
        self.attempted += n
        self._ledger.note("attempted", ids)
        try:
            results = self._service.add_jobs("work", jobs)
        except CallboardError as error:
            self.errors.append(type(error))
            return
        self._ledger.note("acknowledged", [each.id for each in results])
