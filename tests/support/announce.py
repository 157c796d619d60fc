"""How tests hear of a worker process that is ready: a line in their ledger."""

from __future__ import annotations

import os

import dramatiq

from callboard import CallboardBroker
from tests.support.ledger import Ledger


class Announce(dramatiq.Middleware):
    """Notes that a worker process is ready: its id, pid, and its parent's pid in the place of the attempt."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def after_worker_boot(self, broker: CallboardBroker, worker: dramatiq.Worker) -> None:  # type: ignore[override]
        """Write the line."""
        self._ledger.note("ready", broker.runtime.worker_id, os.getppid())

    def after_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Write that it ended in order."""
        self._ledger.note("over", broker.runtime.worker_id, os.getppid())  # type: ignore[attr-defined]
