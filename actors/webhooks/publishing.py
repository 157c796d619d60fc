"""For producers: an event to all endpoints that want it, and a past delivery again."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Literal

from actors.webhooks.errors import EndpointInvalid
from actors.webhooks.payload import EVENT, WEBHOOK_ID, WebhookPayload
from actors.webhooks.registry import EndpointRegistry
from callboard.errors import JobNotFound, WrongState
from callboard.ids import new_id
from callboard.service import AddResult, JobSpec, QueueService

QUEUE, ACTOR = "webhook-delivery", "deliver_webhook"

#: So that ``<event id>:<endpoint id>`` is a job id.
_MAX_EVENT_ID = 90


def publish_event(
    service: QueueService,
    registry: EndpointRegistry,
    event: str,
    data: dict[str, Any],
    *,
    workspace: str = "",
    event_id: str | None = None,
    timestamp: datetime | None = None,
) -> list[AddResult]:
    """Add one delivery for every enabled endpoint of ``workspace`` whose filter wants ``event``.

    With an ``event_id`` of the caller's a repeat adds nothing: it answers "duplicate" for the deliveries that are there
    already, for as long as they are kept. All of them carry it as their ``webhook-id``.

    Args:
        event_id: 1–90 of ``A-Za-z0-9_:-``; default: a new one.
        timestamp: when it happened (aware); default: now.

    Returns: one result a delivery, in the order of the endpoints' creation.

    Raises: EndpointInvalid for an event or id that is none; UnknownActor, PayloadInvalid, PayloadTooLarge, QueueFull,
        PartlyAdded (repeat it with the same ``event_id``); StoreUnavailable.
    """
    event_id = new_id() if event_id is None else event_id
    if not re.fullmatch(EVENT, event):
        raise EndpointInvalid("event: must be names separated by full stops, such as post.published")
    if not re.fullmatch(WEBHOOK_ID, event_id) or len(event_id) > _MAX_EVENT_ID:
        raise EndpointInvalid(f"event_id: must be 1 to {_MAX_EVENT_ID} of A-Z a-z 0-9 _ : -")
    happened = (timestamp or datetime.now(UTC)).isoformat()
    jobs = [
        JobSpec(
            ACTOR,
            {"endpoint": each.id, "event": event, "data": data, "timestamp": happened, "webhook_id": event_id},
            id=f"{event_id}:{each.id}",
            options={"workspace": workspace},
        )
        for each in registry.of_workspace(workspace)
        if each.enabled and each.wants(event)
    ]
    return service.add_jobs(QUEUE, jobs)


def replay_delivery(
    service: QueueService, job_id: str, payload: WebhookPayload | None = None, *, workspace: str = ""
) -> Literal["retried", "promoted", "pending", "added"]:
    """Send a past delivery again, under the same ``webhook-id``.

    Args:
        workspace: of the endpoint, for one that is made anew: deliveries of another workspace are refused.

    Returns: "retried" when it had ended and waits again with all its attempts; "promoted" when it was between two
        attempts and does not wait any longer; "pending" when it is waiting or running anyway; "added" when its
        retention had passed and it was made anew from ``payload``.

    Raises: JobNotFound when its retention has passed and there is no ``payload``; StoreUnavailable.
    """
    try:
        service.retry_job(QUEUE, job_id, reset_attempts=True)
        return "retried"
    except WrongState as error:
        if error.state != "delayed":
            return "pending"
    except JobNotFound:
        if payload is None:
            raise
        said = payload.model_dump(mode="json", exclude_none=True)
        service.add_job(QUEUE, ACTOR, said, id=job_id, workspace=workspace)
        return "added"
    try:
        service.promote_job(QUEUE, job_id)
        return "promoted"
    except WrongState:
        return "pending"  # its wait has just ended
