"""``POST /api/alerts``: what is taken becomes one job a target, what is not leaves nothing behind."""

from __future__ import annotations

import json
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from actors.alerts.incoming import IncomingGroup
from actors.alerts.publishing import QUEUE, SAME_S, publish_notification
from actors.alerts.settings import load_targets
from callboard.settings import Settings
from demo.webhook_receiver import WebhookReceiver
from ops_api.app import create_app
from ops_api.settings import OpsSettings
from tests.integration.conftest import AppMaker
from tests.support.alert_app import QUEUES, TOKEN, AlertApp
from tests.support.alert_jobs import as_setting, posted
from tests.support.alertmanager import LocalAlertmanager, alert
from tests.support.redis_server import Server
from tests.support.wait import wait_until


@pytest.fixture
def store_url(valkey_server: Server) -> str:
    """One kind of server: what is added and how is the same on each."""
    return valkey_server.url


@pytest.fixture
def targets(receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Two targets at the receiver; the second one is told of critical alerts only."""
    found = {
        "chat": f"json://s3cret-name:s3cret-word@{receiver.host}:{receiver.port}/chat",
        "pager": {"url": f"json://{receiver.host}:{receiver.port}/pager", "severities": ["critical"]},
    }
    monkeypatch.setenv("CALLBOARD_ALERTS_TARGETS", as_setting(found))
    return found


@pytest.fixture
def idle(make_app: AppMaker) -> AlertApp:
    """The ops API, before any worker has started."""
    return AlertApp(make_app(queues=QUEUES))


@pytest.fixture
def api(idle: AlertApp, targets: dict[str, Any]) -> AlertApp:
    """The ops API and a worker."""
    idle.start_worker()
    return idle


def problem_of(response: TestResponse, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    found: dict[str, Any] = json.loads(response.data)
    return found


def jobs_of(response: TestResponse) -> list[dict[str, str]]:
    assert response.status_code == 202, response.get_data(as_text=True)
    found: list[dict[str, str]] = response.get_json()["jobs"]
    return found


def added(api: AlertApp) -> int:
    """Jobs that were added to the queue."""
    return api.app.stats(QUEUE).totals.get("added", 0)


# -- taken ----------------------------------------------------------------------------------------------------


def test_a_notification_becomes_a_job_for_each_target_and_arrives(api: AlertApp, receiver: WebhookReceiver) -> None:
    jobs = jobs_of(api.post(posted(severity="critical")))
    assert [(each["queue"], each["status"]) for each in jobs] == [(QUEUE, "added")] * 2
    for each in jobs:
        job = api.ended(each["id"])
        assert (job.state, job.priority) == ("completed", 1)
    came = {request.path: json.loads(request.body) for request in receiver.wait_for(2)}
    assert set(came) == {"/chat", "/pager"}
    assert came["/chat"]["title"] == "[FIRING:1] WaitingJobsHigh post-publishing"
    assert came["/chat"]["type"] == "failure"
    assert api.service.get_result(QUEUE, jobs[0]["id"]) == {"target": "chat"}
    assert added(api) == 2


def test_a_target_is_told_of_the_severities_that_it_wants(api: AlertApp) -> None:
    assert [each["id"].split("-")[1] for each in jobs_of(api.post(posted(severity="warning")))] == ["chat"]


def test_without_targets_it_is_taken_and_nothing_is_sent(idle: AlertApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALLBOARD_ALERTS_TARGETS", raising=False)
    assert jobs_of(idle.post(posted())) == []


def test_a_job_holds_the_name_of_its_target_and_no_secret(api: AlertApp, receiver: WebhookReceiver) -> None:
    receiver.answer(500)
    [job] = jobs_of(api.post(posted()))
    ended = api.ended(job["id"])
    assert ended.state == "failed"
    assert ended.payload is not None
    assert ended.payload["target"] == "chat"
    assert receiver.requests[0].headers["authorization"].startswith("Basic ")
    shown = f"{ended} {api.service.masked(ended)} {api.service.get_job_details(QUEUE, job['id'])}"
    assert "s3cret" not in shown
    assert str(receiver.port) not in shown


def test_a_notification_of_any_length_is_taken(api: AlertApp, receiver: WebhookReceiver) -> None:
    """Alertmanager would not post it again after a refusal."""
    message = posted(alerts=60)
    for each in message["alerts"]:
        each["annotations"] = {"summary": "🎭" * 500, "description": "\x01" * 1_000, "runbook_url": "x" * 501}
    assert len(json.dumps(message, ensure_ascii=False).encode()) < 1024 * 1024
    response = api.post(json.dumps(message, ensure_ascii=False).encode())
    [job] = jobs_of(response)
    assert api.ended(job["id"]).state == "completed"
    [request] = receiver.requests
    assert json.loads(request.body)["message"].endswith("… and 40 more")


# -- once -----------------------------------------------------------------------------------------------------


def test_alertmanager_posts_again_and_nobody_is_told_twice(api: AlertApp, receiver: WebhookReceiver) -> None:
    first, again = (jobs_of(api.post(posted())) for _ in range(2))
    assert [each["status"] for each in (*first, *again)] == ["added", "duplicate"]
    assert first[0]["id"] == again[0]["id"]
    api.ended(first[0]["id"])
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "resolved"}, {"alerts": 2}, {"since": "2026-03-01T07:31:00Z"}, {"queue": "maintenance"},
    ],
    ids=lambda changes: next(iter(changes)),
)  # fmt: skip
def test_what_differs_is_another_notification(api: AlertApp, changes: dict[str, Any]) -> None:
    [first], [other] = jobs_of(api.post(posted())), jobs_of(api.post(posted(**changes)))
    assert (first["status"], other["status"]) == ("added", "added")


def test_a_reminder_hours_later_is_told(api: AlertApp) -> None:
    group = IncomingGroup.model_validate_json(json.dumps(posted()))
    [first] = publish_notification(api.service, group, load_targets())
    added_s = api.job(first.id).added_ms / 1000
    [again] = publish_notification(api.service, group, load_targets(), now_s=added_s + SAME_S - 1)
    [reminder] = publish_notification(api.service, group, load_targets(), now_s=added_s + 2 * SAME_S)
    assert (again.status, again.id) == ("duplicate", first.id)
    assert (reminder.status, reminder.id != first.id) == ("added", True)


# -- a receiver that is down ----------------------------------------------------------------------------------


def test_a_target_that_is_down_is_told_later(api: AlertApp, receiver: WebhookReceiver) -> None:
    receiver.answer(503, times=1)
    receiver.play("hang_up", times=1)
    [job] = jobs_of(api.post(posted()))
    ended = api.ended(job["id"])
    assert ended.state == "completed"
    assert [each.outcome for each in ended.attempts] == ["retried", "retried"]
    assert [each.error_type for each in ended.attempts] == ["NotTaken", "NotTaken"]
    assert len({request.body for request in receiver.wait_for(3)}) == 1


def test_a_target_that_was_removed_fails_at_once(api: AlertApp, monkeypatch: pytest.MonkeyPatch) -> None:
    group = IncomingGroup.model_validate_json(json.dumps(posted()))
    targets = load_targets()
    monkeypatch.setenv("CALLBOARD_ALERTS_TARGETS", "{}")
    [job] = publish_notification(api.service, group, targets)
    ended = api.ended(job.id)
    assert (ended.state, ended.attempts_made) == ("failed", 1)
    assert "no target 'chat'" in ended.reason


# -- refused --------------------------------------------------------------------------------------------------

GARBAGE = {
    "nothing": b"",
    "text": b"hello",
    "no-object": b"[1, 2]",
    "no-utf8": b'{"version": "\xff"}',
    "deep": b"[" * 100_000,
    "version": json.dumps(posted(version="3")).encode(),
    "no-alerts": json.dumps(posted(alerts=0)).encode(),
    "status": json.dumps(posted(status="odd")).encode(),
    "time": json.dumps(posted(since="yesterday")).encode(),
    "labels": json.dumps(posted(groupLabels={"alertname": 7})).encode(),
    "missing": json.dumps({"version": "4", "status": "firing"}).encode(),
}


@pytest.mark.parametrize("body", GARBAGE.values(), ids=list(GARBAGE))
def test_garbage_is_refused_and_logged_and_nothing_is_sent(
    api: AlertApp, receiver: WebhookReceiver, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    detail = problem_of(api.post(body), 400)["detail"]
    assert detail.startswith("this is no notification of Alertmanager's (version 4): ")
    assert len(detail) < 1_000
    assert "what was posted to /api/alerts from 127.0.0.1 is no notification" in caplog.text
    assert added(api) == 0
    assert receiver.requests == []


def test_a_body_of_more_than_a_mebibyte_is_refused(api: AlertApp) -> None:
    problem_of(api.post(posted(externalURL="x" * 1024 * 1024)), 413)


@pytest.mark.parametrize(("token", "headers"), [("wrong", {}), ("", {}), ("", {"Origin": "https://evil.example"})])
def test_nobody_posts_without_the_token(api: AlertApp, token: str, headers: dict[str, str]) -> None:
    problem_of(api.post(posted(), token=token, **headers), 401)
    assert added(api) == 0


def test_nobody_reads_it(api: AlertApp) -> None:
    problem_of(api.client.get("/api/alerts"), 405)


# -- not now --------------------------------------------------------------------------------------------------


def test_before_any_worker_has_started_alertmanager_is_to_try_again(idle: AlertApp, targets: dict[str, Any]) -> None:
    response = idle.post(posted())
    assert "no worker has started yet" in problem_of(response, 503)["detail"]
    assert response.headers["Retry-After"] == "5"


def test_while_redis_is_away_alertmanager_is_to_try_again(targets: dict[str, Any]) -> None:
    nowhere = Settings(redis_url="redis://127.0.0.1:1/0", connect_timeout_s=0.2, add_timeout_s=0.2)
    client = create_app(nowhere, OpsSettings(alerts_token=TOKEN)).test_client()
    response = client.post("/api/alerts", json=posted(), headers={"Authorization": f"Bearer {TOKEN}"})
    assert problem_of(response, 503)
    assert response.headers["Retry-After"]


def test_a_queue_that_is_full_is_a_reason_to_try_again(make_app: AppMaker, targets: dict[str, Any]) -> None:
    app = AlertApp(make_app(queues={QUEUE: {**QUEUES[QUEUE], "max_length": 1}}))
    app.start_worker()
    app.service.pause_queue(QUEUE)
    jobs_of(app.post(posted()))
    problem_of(app.post(posted(queue="maintenance")), 503)


def test_settings_that_cannot_be_read_are_told_without_what_they_hold(
    api: AlertApp, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CALLBOARD_ALERTS_TARGETS", '{"chat": "discord://s3cret/s3cret"')
    detail = problem_of(api.post(posted()), 500)["detail"]
    assert detail.startswith("CALLBOARD_ALERTS_TARGETS: is not a JSON object")
    assert "s3cret" not in detail + caplog.text


# -- with the real one ----------------------------------------------------------------------------------------


def test_from_a_real_alertmanager_to_a_target_and_over_again(
    api: AlertApp, receiver: WebhookReceiver, tmp_path: Path
) -> None:
    server = make_server("127.0.0.1", 0, api.flask, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    place = {"ALERTMANAGER_CALLBOARD_URL": f"http://127.0.0.1:{server.server_port}"}
    try:
        with LocalAlertmanager(tmp_path, secrets={"callboard_token": TOKEN}, environment=place) as running:
            running.post(alert("QueuePaused", "critical", queue="data-export"))
            receiver.wait_for(2)
            running.post(alert("QueuePaused", "critical", queue="data-export", resolved=True))
            came = receiver.wait_for(4)
    finally:
        server.shutdown()
        server.server_close()
    said = sorted((request.path, json.loads(request.body)["title"]) for request in came)
    firing, resolved = "[FIRING:1] QueuePaused data-export", "[RESOLVED] QueuePaused data-export"
    assert said == [("/chat", firing), ("/chat", resolved), ("/pager", firing), ("/pager", resolved)]


def test_alertmanager_tries_again_after_503(tmp_path: Path) -> None:
    with WebhookReceiver() as ops:
        ops.answer(503, times=1)
        place = {"ALERTMANAGER_CALLBOARD_URL": ops.url("")}
        with LocalAlertmanager(tmp_path, secrets={"callboard_token": TOKEN}, environment=place) as running:
            running.post(alert("QueuePaused", "critical", queue="data-export"))
            first, second = ops.wait_for(2)[:2]
            assert json.loads(first.body)["groupKey"] == json.loads(second.body)["groupKey"]
            with urllib.request.urlopen(f"{running.url}/-/healthy", timeout=5) as answer:
                assert answer.status == 200
            wait_until(lambda: len(ops.requests) >= 2, 5, "it to be posted again")
