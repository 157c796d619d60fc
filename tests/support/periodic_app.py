"""An application with one actor each minute: what the command ``periodiq`` is started on, and a worker beside it."""

from __future__ import annotations

import dramatiq
from periodiq import cron

from callboard import CallboardBroker
from callboard.settings import Settings
from middleware.stack import default_stack

_settings = Settings()
broker = CallboardBroker(_settings, middleware=default_stack(_settings))
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="q", periodic=cron("* * * * *"))
def each_minute() -> None:
    """Do nothing."""


@dramatiq.actor(queue_name="q", periodic="0 0 * * sun")
def on_sundays() -> None:
    """Do nothing."""
