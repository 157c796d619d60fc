"""The platform's application and a few actors that end as they are told, for the test of the whole monitoring."""

from __future__ import annotations

from threading import Event

import dramatiq

import actors  # noqa: F401  # composes the application: its broker is Dramatiq's from here on
from callboard import PermanentError, current_job
from tests.support.monitored import ABANDONED, FAILING, FILLED, MIXED, PAUSED


class Refused(PermanentError):
    """What can never work."""


class NotYet(Exception):
    """What works when it is tried again."""


def _stay() -> None:
    """Until somebody cancels it. In short steps, so that interrupts get through."""
    while True:
        Event().wait(0.05)


@dramatiq.actor(queue_name=PAUSED)
def publish() -> None:
    """Does nothing."""


@dramatiq.actor(queue_name=FILLED)
def export() -> None:
    """Stays."""
    _stay()


@dramatiq.actor(queue_name=FILLED)
def export_one() -> None:
    """Takes a quarter of a second."""
    Event().wait(0.25)


@dramatiq.actor(queue_name=ABANDONED)
def report() -> None:
    """Stays."""
    _stay()


@dramatiq.actor(queue_name=FAILING, max_attempts=1)
def listen() -> None:
    """Fails for good."""
    raise Refused("nobody to listen to")


@dramatiq.actor(queue_name=MIXED, backoff="fixed", backoff_base_ms=100)
def collect(how: str) -> None:
    """Ends as ``how`` says: ``well``, ``badly``, or well when it is tried again: ``later``, ``deferred``."""
    if how == "badly":
        raise Refused("no such post")
    if how == "later" and current_job().attempt == 1:
        raise NotYet("the figures are not there yet")
    if how == "deferred" and current_job().checkpoint("asked") is None:
        current_job().checkpoint("asked", True)
        current_job().defer(0.1, "too many requests")
