"""The composition of the platform's application: settings, broker, middleware, job types."""

from __future__ import annotations

import importlib

import dramatiq

from callboard.broker import CallboardBroker
from callboard.settings import Settings
from middleware.stack import default_stack

#: The modules of the job types, one a queue, and the canaries of all queues.
JOB_TYPES = (
    "actors.alerting",
    "actors.canary",
    "actors.email_notifications",
    "actors.maintenance",
    "actors.webhook_delivery",
)


def compose(settings: Settings | None = None) -> CallboardBroker:
    """Make the broker, set it as Dramatiq's, and import the job types onto it. Connects to nothing."""
    settings = settings or Settings()
    broker = CallboardBroker(settings, middleware=default_stack(settings))
    dramatiq.set_broker(broker)
    for module in JOB_TYPES:
        importlib.import_module(module)
    return broker
