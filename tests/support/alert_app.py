"""``POST /api/alerts`` and a worker that sends on what was posted, in the test's own process."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.test import TestResponse

from actors.alerts.forwarding import forward
from actors.alerts.payload import AlertPayload
from actors.alerts.publishing import ACTOR, QUEUE
from actors.alerts.settings import load_targets
from callboard import QueueService
from callboard.records import JobView
from ops_api.app import create_app
from ops_api.settings import OpsSettings
from tests.support.app import ENDED, App
from tests.support.wait import wait_until

#: The queue, with attempts that follow each other quickly.
QUEUES: dict[str, dict[str, Any]] = {
    QUEUE: {
        "max_attempts": 3,
        "backoff": "fixed",
        "backoff_base_ms": 10,
        "backoff_jitter": 0.0,
        "wait_target_ms": 10_000,
    }
}

TOKEN = "alerts-token-of-the-test"


class AlertApp:
    """The ops API and, once started, a worker."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.service = QueueService(app.settings, store=app.broker.store)
        self.flask = create_app(app.settings, OpsSettings(alerts_token=TOKEN))
        self.client = self.flask.test_client()

    def start_worker(self) -> None:
        """Start a worker that has the actor."""

        def forwards(payload: AlertPayload) -> dict[str, Any]:
            return forward(payload, load_targets())

        self.app.actor(forwards, actor_name=ACTOR, queue_name=QUEUE, payload=AlertPayload)
        self.app.start()

    def post(self, body: Any, *, token: str = TOKEN, **headers: str) -> TestResponse:
        """Post ``body``, as JSON unless it is bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {
            "Content-Type": "application/json",
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **headers,
        }
        return self.client.post("/api/alerts", data=data, headers=given)

    def job(self, job_id: str) -> JobView:
        """A job as it stands."""
        return self.service.get_job(QUEUE, job_id)

    def ended(self, job_id: str) -> JobView:
        """A job once it has come to its end."""
        wait_until(lambda: self.job(job_id).state in ENDED, 15, lambda: f"the job to end; {self.job(job_id)}")
        return self.job(job_id)
