"""An application whose jobs end in every way that there is: ``dramatiq tests.support.metrics_app``. Settings and the
ledger from the environment; every actor is on queue ``work``."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.middleware import SkipMessage

from callboard import CallboardBroker, PermanentError
from callboard.current import current_job
from callboard.settings import Settings
from middleware.stack import default_stack
from tests.support.announce import Announce
from tests.support.ledger import Ledger
from tests.support.wait import wait_until


class Skip(dramatiq.Middleware):
    """Skips the jobs of an actor."""

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """Look who it is."""
        if message.actor_name == "skipped":
            raise SkipMessage("not wanted")


class Refused(Exception):
    """What an actor raises."""


ledger = Ledger(Path(os.environ["FAULT_LEDGER"]))
settings = Settings()
broker = CallboardBroker(settings, middleware=[*default_stack(settings), Skip(), Announce(ledger)])
dramatiq.set_broker(broker)


def stay(gate: str) -> None:
    """Be at work until the file ``gate`` is there, in short steps."""
    ledger.note("start", current_job().id)
    wait_until(Path(gate).exists, 60, "the gate")


@dramatiq.actor(queue_name="work")
def done() -> None:
    """Completes."""


@dramatiq.actor(queue_name="work")
async def done_async() -> None:
    """Completes in a coroutine."""


@dramatiq.actor(queue_name="work")
def skipped() -> None:
    """Is never called."""
    raise AssertionError


@dramatiq.actor(queue_name="work")
def aged() -> None:
    """Is never called for a job that is too old."""


@dramatiq.actor(queue_name="work")
def refuses() -> None:
    """Fails for good."""
    raise PermanentError("never")


@dramatiq.actor(queue_name="work", max_attempts=3, backoff="fixed", backoff_base_ms=1)
def third_time() -> None:
    """Fails twice."""
    if current_job().attempt < 3:
        raise Refused("not yet")


@dramatiq.actor(queue_name="work", max_attempts=1, time_limit=100)
def too_slow() -> None:
    """Takes longer than it may."""
    never = threading.Event()
    while not never.wait(0.01):
        pass


@dramatiq.actor(queue_name="work")
def defers() -> None:
    """Defers its job once."""
    if not ledger.lines("deferred"):
        ledger.note("deferred", current_job().id)
        current_job().defer(0.01, "soon")


@dramatiq.actor(queue_name="work", max_attempts=1)
def returns_too_much() -> Any:
    """Returns what cannot be kept."""
    return "x" * 300_000


@dramatiq.actor(queue_name="work")
def stays(gate: str) -> None:
    """Is at work until the gate opens."""
    stay(gate)


@dramatiq.actor(queue_name="work", notify_shutdown=True)
def asks(gate: str) -> None:
    """The same, and goes back at a shutdown."""
    stay(gate)
