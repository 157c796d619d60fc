"""One attempt to deliver an event, from its payload to its result or its error."""

from __future__ import annotations

import time
from typing import Any, Literal

import structlog

from actors.webhooks.endpoints import Endpoint
from actors.webhooks.errors import (
    AddressBlocked,
    EndpointDisabled,
    EndpointGone,
    EndpointNotFound,
    EndpointRefused,
    UnknownEndpoint,
    WebhookRetryable,
)
from actors.webhooks.payload import WebhookPayload
from actors.webhooks.registry import EndpointRegistry
from actors.webhooks.sending import Answer, Sender
from actors.webhooks.signing import signed_headers
from actors.webhooks.steps import WebhookStep
from actors.webhooks.waiting import wait_s
from callboard.catalogue import QueueSpec
from callboard.current import CurrentJob
from callboard.errors import PermanentError, StoreRefused, StoreUnavailable
from callboard.steps import reached

log = structlog.get_logger(__name__)

_GONE = 410


def deliver(
    payload: WebhookPayload, job: CurrentJob, *, registry: EndpointRegistry, sender: Sender, spec: QueueSpec
) -> dict[str, Any]:
    """Send the event to its endpoint and note what came of it.

    Args:
        spec: of the queue, for its usual wait between attempts.

    Returns: ``{"status", "duration_ms", "webhook_id"}`` when the endpoint took it (2xx).

    Raises:
        WebhookRetryable: another attempt is due.
        PermanentError: no other attempt can help (see ``errors``).
    """
    endpoint, now_ms = _endpoint(registry, payload.endpoint, job.workspace)
    body = payload.body(job.added_ms)
    if len(body) > sender.settings.body_max_bytes:
        raise PermanentError(f"the body has {len(body)} bytes; {sender.settings.body_max_bytes} are allowed")
    webhook_id = payload.id_for(job.id)
    headers = signed_headers(webhook_id, int(time.time()), body, endpoint.secrets_in_force(now_ms))

    reached(WebhookStep.SENDING)
    began = time.monotonic()
    answer: Answer | None = None
    failure: Exception | None = None
    try:
        with job.uninterrupted():
            answer = sender.post(endpoint.url, headers, body)
    except (WebhookRetryable, AddressBlocked) as error:
        failure = error
        told = f"no answer in {int((time.monotonic() - began) * 1000)} ms: {error}"
    else:
        told = f"{answer.named} in {answer.duration_ms} ms" + (f", answer: {answer.excerpt}" if answer.excerpt else "")
        try:
            failure = _failure(answer, endpoint, job, sender, spec)
        except Exception as error:  # noqa: BLE001 - whatever is in the answer, it is noted
            failure = error
    reached(WebhookStep.ANSWERED)
    _note(registry, endpoint, job, failure, told)
    reached(WebhookStep.NOTED)

    if failure is not None:
        raise failure
    assert answer is not None
    return {"status": answer.status, "duration_ms": answer.duration_ms, "webhook_id": webhook_id}


def _endpoint(registry: EndpointRegistry, endpoint_id: str, workspace: str) -> tuple[Endpoint, int]:
    try:
        endpoint, now_ms = registry.look(endpoint_id, workspace=workspace)
    except EndpointNotFound as error:
        raise UnknownEndpoint(str(error)) from None
    if endpoint.disabled is not None:
        raise EndpointDisabled(f"endpoint {endpoint.id} is disabled: {endpoint.disabled.reason}")
    return endpoint, now_ms


def _failure(
    answer: Answer, endpoint: Endpoint, job: CurrentJob, sender: Sender, spec: QueueSpec
) -> WebhookRetryable | PermanentError | None:
    """What the attempt ends with; None: the endpoint took the event."""
    if 200 <= answer.status < 300:
        return None
    said = f"{endpoint.host} answered {answer.named}"
    if answer.status == _GONE:
        return EndpointGone(f"{said}: it wants no more events, so endpoint {endpoint.id} is disabled")
    if 300 <= answer.status < 400:
        said += ": redirects are not followed, give the endpoint its final URL"
    settings = sender.settings
    wait = wait_s(
        answer.status, answer.retry_after, attempt=job.attempt, spec=spec, most_s=settings.retry_after_max_s,
        slow_down=settings.slow_down,
    )  # fmt: skip
    return EndpointRefused(said, wait)


def _note(
    registry: EndpointRegistry, endpoint: Endpoint, job: CurrentJob, failure: Exception | None, told: str
) -> None:  # fmt: skip
    """Note the attempt with the endpoint and in the job's log. An outage of Redis changes nothing of what the endpoint
    has got: a delivery is not repeated for it."""
    what: Literal["ok", "failed", "lost", "gone"] = "ok"
    if isinstance(failure, EndpointGone):
        what = "gone"
    elif failure is not None:
        what = "lost" if job.is_last or isinstance(failure, PermanentError) else "failed"
    try:
        if registry.record(endpoint.id, what, str(failure or "")):
            told += f"; endpoint {endpoint.id} is disabled now"
            log.warning("webhook endpoint disabled", endpoint=endpoint.id, workspace=endpoint.workspace, job_id=job.id)
        job.log(f"attempt {job.attempt} of {job.max_attempts}: {told}")
    except (StoreUnavailable, StoreRefused) as error:
        log.warning("webhook attempt not noted", endpoint=endpoint.id, job_id=job.id, reason=str(error))
