"""Queue ``webhook-delivery``: one job is one notification of Alertmanager's for one target. See ``actors.alerts``."""

from __future__ import annotations

from typing import Any

import dramatiq

from actors.alerts.forwarding import forward
from actors.alerts.payload import AlertPayload
from actors.alerts.publishing import ACTOR, QUEUE
from actors.alerts.settings import load_targets
from callboard.catalogue import Priority


@dramatiq.actor(
    queue_name=QUEUE, actor_name=ACTOR, payload=AlertPayload, priority=int(Priority.CRITICAL), store_results=True
)
def forward_alert(payload: AlertPayload) -> dict[str, Any]:
    """Tell one target of a notification.

    Returns: ``{"target"}``.

    Raises:
        NotTaken: the target has not taken it yet.
        PermanentError: there is no such target, or no service understands its URL.
    """
    return forward(payload, load_targets())
