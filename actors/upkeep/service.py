"""How maintenance jobs reach the queues: through the connections of the worker that runs them."""

from __future__ import annotations

import dramatiq

from callboard.broker import CallboardBroker
from callboard.service import QueueService


def queue_service() -> QueueService:
    """The Queue service on the running broker's store. Not to be closed: the broker's other calls use it, too."""
    broker = dramatiq.get_broker()
    assert isinstance(broker, CallboardBroker), "maintenance jobs run on a Callboard broker"
    return QueueService(broker.settings, store=broker.store)
