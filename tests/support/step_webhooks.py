"""A webhook delivery that is killed at a step: did the receiver get one event, and can it tell that it is one?"""

from __future__ import annotations

from actors.webhooks.publishing import ACTOR, QUEUE
from actors.webhooks.registry import EndpointRegistry
from actors.webhooks.settings import WebhookSettings
from actors.webhooks.steps import WebhookStep
from callboard.records import JobView
from callboard.steps import Step
from tests.support.step_stage import Scenario, Stage


def _add(stage: Stage, job_id: str) -> None:
    settings = WebhookSettings(allow=stage.webhooks_allowed)
    endpoint = EndpointRegistry(stage.service.store, settings).create(stage.receiver.url(f"/{job_id}"), ["*"])
    payload = {"endpoint": endpoint.id, "event": "post.published", "data": {"post": job_id}}
    stage.service.add_job(QUEUE, ACTOR, payload, id=job_id)


def _verdict(stage: Stage, step: Step, job: JobView) -> None:
    """At least once, and every delivery says that it is the same event: one webhook-id, one body.

    Once, if the process died before it sent anything. Afterwards nobody knows what became of the receiver's answer, so
    the event is delivered again.
    """
    came = [request for request in stage.receiver.requests if request.path == f"/{job.id}"]
    expected = 1 if step is WebhookStep.SENDING else 2
    assert len(came) == expected, f"{expected} deliveries were expected, {len(came)} came"
    ids = {request.headers["webhook-id"] for request in came}
    assert ids == {job.id}, f"one event has one webhook-id; it came under {ids}"
    assert len({request.body for request in came}) == 1, "the same event has two bodies"
    result = stage.service.get_result(QUEUE, job.id)
    assert (result["status"], result["webhook_id"]) == (200, job.id), f"another result was expected: {result}"


SCENARIOS = [Scenario(tuple(WebhookStep), QUEUE, _add, _verdict)]
