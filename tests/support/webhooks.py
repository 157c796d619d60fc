"""Webhook deliveries in the test's own process: an application whose worker delivers to receivers on this machine."""

from __future__ import annotations

from typing import Any

from standardwebhooks.webhooks import Webhook

from actors.webhooks.delivery import deliver
from actors.webhooks.endpoints import Endpoint
from actors.webhooks.payload import WebhookPayload
from actors.webhooks.publishing import ACTOR, QUEUE
from actors.webhooks.registry import EndpointRegistry
from actors.webhooks.sending import Sender
from actors.webhooks.settings import WebhookSettings
from callboard import QueueService
from callboard.current import current_job
from callboard.records import JobView
from demo.webhook_receiver import ReceivedRequest, WebhookReceiver
from tests.support.app import ENDED, App
from tests.support.wait import wait_until

#: The queue, with attempts that follow each other quickly.
QUEUES: dict[str, dict[str, Any]] = {
    QUEUE: {
        "max_attempts": 4, "backoff": "exponential", "backoff_base_ms": 10, "backoff_cap_ms": 3_600_000,
        "backoff_jitter": 0.0, "time_limit_ms": 60_000,
    }
}  # fmt: skip

#: This machine, which nobody may connect to otherwise.
LOOPBACK = "127.0.0.0/8:*,[::1]/128:*"


class Webhooks:
    """A worker that delivers, with its registry and a producer. Settings of webhooks by keyword."""

    def __init__(self, app: App, **settings: Any) -> None:
        self.app = app
        self.settings = WebhookSettings(**{"allow": LOOPBACK, "timeout_s": 5.0, **settings})
        self.registry = EndpointRegistry(app.broker.store, self.settings)
        self.service = QueueService(app.settings, store=app.broker.store)
        self.sender = Sender(self.settings)

        def delivers(payload: WebhookPayload) -> dict[str, Any]:
            spec = app.broker.catalogue[QUEUE]
            return deliver(payload, current_job(), registry=self.registry, sender=self.sender, spec=spec)

        app.actor(delivers, actor_name=ACTOR, queue_name=QUEUE, payload=WebhookPayload)
        app.start()

    def close(self) -> None:
        """Close the connections to endpoints."""
        self.sender.close()

    def endpoint(self, receiver: WebhookReceiver, *events: str, path: str = "/hook", **more: Any) -> Endpoint:
        """An endpoint at ``receiver``, for all events unless some are named."""
        return self.registry.create(receiver.url(path), events or ("*",), **more)

    def add(self, endpoint: Endpoint | str, data: dict[str, Any] | None = None, **options: Any) -> str:
        """Add one delivery. Returns: the job's id."""
        endpoint_id = endpoint if isinstance(endpoint, str) else endpoint.id
        payload = {"endpoint": endpoint_id, "event": "post.published", "data": {"id": 7} if data is None else data}
        return self.service.add_job(QUEUE, ACTOR, payload, **options).id

    def job(self, job_id: str) -> JobView:
        """A job as it stands."""
        return self.service.get_job(QUEUE, job_id)

    def ended(self, job_id: str, timeout_s: float = 15.0) -> JobView:
        """A job once it has come to its end."""
        wait_until(lambda: self.job(job_id).state in ENDED, timeout_s, lambda: f"the job to end; {self.job(job_id)}")
        return self.job(job_id)

    def delayed(self, job_id: str) -> JobView:
        """A job once it waits for its next attempt."""
        wait_until(lambda: self.job(job_id).state == "delayed", 15, lambda: f"a delayed job; {self.job(job_id)}")
        return self.job(job_id)

    def lines(self, job_id: str) -> list[str]:
        """What the job's log says."""
        return [text for _, text in self.service.get_job_details(QUEUE, job_id).log]


def wait_s(job: JobView) -> float:
    """How long a delayed job waits from the end of its last attempt (seconds)."""
    return (job.due_ms - job.attempts[-1].ended_ms) / 1000


def secret_of(endpoint: Endpoint) -> str:
    """The newest secret of an endpoint."""
    return endpoint.secrets[0].value.get_secret_value()


def verified(request: ReceivedRequest, secret: str) -> Any:
    """The body of a request whose signature the independent library found right.

    Raises: WebhookVerificationError.
    """
    return Webhook(secret).verify(request.body, request.headers)
