"""Queue ``webhook-delivery``: one job is one event for one endpoint. What happens is in ``actors.webhooks``."""

from __future__ import annotations

from typing import Any

import dramatiq

from actors.webhooks.delivery import deliver
from actors.webhooks.payload import WebhookPayload
from actors.webhooks.publishing import ACTOR, QUEUE
from actors.webhooks.registry import EndpointRegistry
from actors.webhooks.sending import process_sender
from callboard.broker import CallboardBroker
from callboard.current import current_job


@dramatiq.actor(queue_name=QUEUE, actor_name=ACTOR, payload=WebhookPayload, store_results=True)
def deliver_webhook(payload: WebhookPayload) -> dict[str, Any]:
    """Send one event to one endpoint.

    Returns: ``{"status", "duration_ms", "webhook_id"}``.

    Raises:
        PermanentError: the endpoint is unknown, disabled, gone or at an address that is not allowed.
        WebhookRetryable: it has not taken the event yet.
    """
    broker = dramatiq.get_broker()
    assert isinstance(broker, CallboardBroker)
    sender = process_sender()
    registry = EndpointRegistry(broker.store, sender.settings)
    return deliver(payload, current_job(), registry=registry, sender=sender, spec=broker.catalogue[QUEUE])
