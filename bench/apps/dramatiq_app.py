"""Stock Dramatiq's side: ``dramatiq bench.apps.dramatiq_app``. Importing it composes the app, as the CLI expects."""

from __future__ import annotations

import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.apps import pickup_file

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))


@dramatiq.actor(queue_name="bench")
def noop(text: str) -> None:
    """Do nothing."""


@dramatiq.actor(queue_name="bench")
def pickup(sent_ns: int) -> None:
    """Note how long the job took to get here."""
    now = time.monotonic_ns()
    pickup_file.note(sent_ns, now)
