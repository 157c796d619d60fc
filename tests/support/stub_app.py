"""A small application without Redis: what supervisor tests run ``dramatiq`` on.

Every worker process that is ready adds a line ``ready SLOT WORKER-PID LEADER-PID`` to the file ``STUB_APP_FILE``.
With ``STUB_APP_JOB`` set each one also starts a job that adds ``running``, and ``finished`` once that file exists.
"""

import os
from pathlib import Path

import dramatiq
from dramatiq.brokers.stub import StubBroker

from tests.support.wait import wait_until


def note(*words: object) -> None:
    """Add a line to the file in one write, so that lines of several processes stay whole."""
    with Path(os.environ["STUB_APP_FILE"]).open("a", encoding="utf-8", buffering=1) as file:
        file.write(" ".join(map(str, words)) + "\n")


class Announce(dramatiq.Middleware):
    """Says that a worker process is ready."""

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        """Write the line."""
        if os.environ.get("STUB_APP_JOB"):
            long_job.send()
        note("ready", os.environ["CALLBOARD_WORKER_SLOT"], os.getpid(), os.getppid())


dramatiq.set_broker(StubBroker(middleware=[Announce()]))


@dramatiq.actor
def long_job() -> None:
    """A job that takes as long as the test likes."""
    note("running")
    wait_until(Path(os.environ["STUB_APP_JOB"]).exists, 600)
    note("finished")
