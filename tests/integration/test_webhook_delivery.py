"""Deliveries from producer to receiver, on each kind of server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from actors.webhooks.payload import WebhookPayload
from actors.webhooks.publishing import QUEUE, publish_event, replay_delivery
from callboard.errors import JobNotFound
from demo.webhook_receiver import WebhookReceiver
from tests.integration.conftest import AppMaker
from tests.support.wait import wait_until
from tests.support.webhooks import QUEUES, Webhooks, secret_of, verified


@pytest.fixture
def hooks(make_app: AppMaker) -> Iterator[Webhooks]:
    hooks = Webhooks(make_app(queues=QUEUES))
    yield hooks
    hooks.close()


def test_an_event_arrives_signed(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.endpoint(receiver)
    job_id = hooks.add(endpoint, {"text": "Grüße 日本 \ud800", "n": 1.5})
    [request] = receiver.wait_for(1)
    view = hooks.ended(job_id)
    assert view.state == "completed"
    said = verified(request, secret_of(endpoint))
    assert said["type"] == "post.published"
    assert said["data"] == {"text": "Grüße 日本 \ud800", "n": 1.5}
    assert datetime.fromisoformat(said["timestamp"]).tzinfo is not None
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Callboard/")
    result = hooks.service.get_result(QUEUE, job_id)
    assert result == {"status": 200, "duration_ms": result["duration_ms"], "webhook_id": job_id}
    [line] = hooks.lines(job_id)
    assert line.startswith("attempt 1 of 4: 200 OK in ")
    assert line.endswith(" ms, answer: ok")


def test_retries_keep_id_and_body_and_sign_afresh(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.endpoint(receiver)
    receiver.answer(500, body=b"oh no", times=2)
    # A wait of more than a second between two attempts shows that the timestamp is not kept.
    job_id = hooks.add(endpoint, backoff="fixed", backoff_base_ms=1_050)
    requests = receiver.wait_for(3)
    assert hooks.ended(job_id).state == "completed"
    assert len({each.headers["webhook-id"] for each in requests}) == 1
    assert len({each.body for each in requests}) == 1
    assert len({each.headers["webhook-timestamp"] for each in requests}) == 3
    assert len({each.headers["webhook-signature"] for each in requests}) == 3
    for each in requests:
        verified(each, secret_of(endpoint))
        assert abs(int(each.headers["webhook-timestamp"]) - each.at) < 2
    assert [line.partition(" in ")[0] for line in hooks.lines(job_id)] == [
        "attempt 1 of 4: 500 Internal Server Error",
        "attempt 2 of 4: 500 Internal Server Error",
        "attempt 3 of 4: 200 OK",
    ]
    assert hooks.lines(job_id)[0].endswith(", answer: oh no")


def test_an_event_goes_to_all_who_want_it_and_a_repeat_adds_nothing(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    both = [
        hooks.endpoint(receiver, "post.*", workspace="acme", path="/a"),
        hooks.endpoint(receiver, "user.created", "post.published", workspace="acme", path="/b"),
    ]
    hooks.endpoint(receiver, "user.*", workspace="acme", path="/no")
    hooks.endpoint(receiver, "*", workspace="other", path="/no")
    off = hooks.endpoint(receiver, "*", workspace="acme", path="/no")
    hooks.registry.disable(off.id, "for a test")

    def publish() -> list[tuple[str, str]]:
        results = publish_event(
            hooks.service, hooks.registry, "post.published", {"id": 7}, workspace="acme", event_id="evt-1"
        )
        return [(each.id, each.status) for each in results]

    ids = [f"evt-1:{each.id}" for each in both]
    assert publish() == [(each, "added") for each in ids]
    for each in ids:
        assert hooks.ended(each).state == "completed"
        assert hooks.job(each).workspace == "acme"
    assert publish() == [(each, "duplicate") for each in ids]
    assert sorted(each.path for each in receiver.requests) == ["/a", "/b"]
    assert {each.headers["webhook-id"] for each in receiver.requests} == {"evt-1"}


def test_a_past_delivery_is_sent_again_under_its_id(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.endpoint(receiver)
    receiver.answer(400, times=4)
    job_id = hooks.add(endpoint)
    assert hooks.ended(job_id).state == "failed"

    assert replay_delivery(hooks.service, job_id) == "retried"
    receiver.wait_for(5)
    wait_until(lambda: hooks.job(job_id).state == "completed", 10, "the replayed delivery to complete")
    assert len({each.headers["webhook-id"] for each in receiver.requests}) == 1

    assert replay_delivery(hooks.service, job_id) == "retried", "a delivered one may be sent again as well"
    receiver.wait_for(6)


def test_a_delivery_between_two_attempts_does_not_wait_any_longer(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    receiver.answer(500, times=1)
    job_id = hooks.add(hooks.endpoint(receiver), backoff_base_ms=600_000)
    hooks.delayed(job_id)
    assert replay_delivery(hooks.service, job_id) == "promoted"
    assert hooks.ended(job_id).state == "completed"


def test_a_delivery_that_is_no_longer_kept_is_made_anew(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.endpoint(receiver)
    payload = WebhookPayload(endpoint=endpoint.id, event="post.published", data={}, timestamp=datetime.now(UTC))
    with pytest.raises(JobNotFound):
        replay_delivery(hooks.service, "evt-1.old")
    assert replay_delivery(hooks.service, "evt-1.old", payload) == "added"
    assert hooks.ended("evt-1.old").state == "completed"
    hooks.service.remove_job(QUEUE, "evt-1.old")
    assert replay_delivery(hooks.service, "evt-1.old", payload) == "added"
    first, second = receiver.wait_for(2)
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
