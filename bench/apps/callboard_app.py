"""Callboard's side: ``dramatiq bench.apps.callboard_app``. Importing it composes the app, as the CLI expects.

The middleware is the platform's, whole, and payloads are checked against a model. ``BENCH_QUEUES`` names the queues,
separated by commas; each gets the actors ``noop.<queue>``, ``busy.<queue>`` and ``asleep.<queue>``, the first one
``pickup`` as well.
"""

from __future__ import annotations

import os
import time

import dramatiq
from pydantic import BaseModel

from bench.apps import pickup_file
from callboard.broker import CallboardBroker
from callboard.settings import Settings
from middleware.stack import default_stack

QUEUES = os.environ["BENCH_QUEUES"].split(",")

MILLISECOND_NS = 1_000_000

settings = Settings()
broker = CallboardBroker(settings, middleware=default_stack(settings))
dramatiq.set_broker(broker)


class Payload(BaseModel):
    """What every no-op job carries."""

    text: str


def _noop(payload: Payload) -> None:
    """Do nothing."""


def _busy(payload: Payload) -> None:  # noqa: ARG001 - jobs of all kinds carry the same
    """Keep a core at work for a millisecond of its own time."""
    until = time.thread_time_ns() + MILLISECOND_NS
    while time.thread_time_ns() < until:
        pass


def _asleep(payload: Payload) -> None:  # noqa: ARG001 - as above
    """Wait for a millisecond, as for an answer."""
    time.sleep(0.001)


for _queue in QUEUES:
    for _kind, _work in (("noop", _noop), ("busy", _busy), ("asleep", _asleep)):
        dramatiq.actor(queue_name=_queue, actor_name=f"{_kind}.{_queue}", payload=Payload)(_work)


@dramatiq.actor(queue_name=QUEUES[0])
def pickup(sent_ns: int) -> None:
    """Note how long the job took to get here."""
    now = time.monotonic_ns()
    pickup_file.note(sent_ns, now)
