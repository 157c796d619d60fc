"""What services get of a notification, each by its own protocol and name, and what becomes of their refusals."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from actors.alerts.errors import NotTaken, UnknownService, UnknownTarget
from actors.alerts.forwarding import forward
from actors.alerts.settings import load_targets
from demo.webhook_receiver import ReceivedRequest, WebhookReceiver
from tests.support.alert_jobs import as_setting, payload
from tests.support.faraway import FarawayServices

SID, SMS_TOKEN = "AC" + "1" * 32, "twiliosecret0123456789abcdef0123"
KEY = "datadogkey0123456789abcdef012345"

TARGETS = {
    "sms": f"twilio://{SID}:{SMS_TOKEN}@15551230000/15557650000",
    "mail": "sendgrid://SG_secretkey0123:alerts@example.org/ops@example.org",
    "chat": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "slack": "slack://Callboard@T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#alerts",
    "events": f"datadog://{KEY}@datadoghq.eu?tags=env:prod,team:ops",
}
HOSTS = ("api.twilio.com", "api.sendgrid.com", "discord.com", "hooks.slack.com", "api.datadoghq.eu")

DASHBOARD = "http://127.0.0.1:3000/d/callboard-queue?var-queue=post-publishing"


@pytest.fixture(scope="module")
def faraway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarawayServices]:
    with FarawayServices(tmp_path_factory.mktemp("faraway"), *HOSTS) as faraway:
        yield faraway


@pytest.fixture
def services(faraway: FarawayServices, monkeypatch: pytest.MonkeyPatch) -> WebhookReceiver:
    """All services behind one receiver, which has had nothing yet."""
    for name, value in faraway.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CALLBOARD_ALERTS_TARGETS", as_setting(TARGETS))
    faraway.receiver.requests.clear()
    faraway.receiver.answer(200)
    return faraway.receiver


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    """What would be logged by a worker whose level is debug."""
    # Not caplog, which also listens to loggers that do not propagate.
    text = io.StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(level)
    root.removeHandler(handler)


def sent(services: WebhookReceiver, target: str, **given: object) -> ReceivedRequest:
    """The one request that a notification makes."""
    assert forward(payload(target, **given), load_targets()) == {"target": target}
    [request] = services.requests
    assert request.method == "POST"
    return request


def test_twilio_gets_a_short_message(services: WebhookReceiver) -> None:
    services.answer(201, times=1)
    request = sent(services, "sms", alerts=30)
    assert (request.headers["host"], request.path) == (
        "api.twilio.com", f"/2010-04-01/Accounts/{SID}/Messages.json",
    )  # fmt: skip
    said = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    assert (said["From"], said["To"]) == ("+15551230000", "+15557650000")
    assert said["Body"].startswith("[FIRING:30] WaitingJobsHigh post-publishing\r\npost-publishing: more than 10,000")
    assert "http" not in said["Body"]
    assert len(said["Body"]) <= 330


def test_sendgrid_gets_a_mail(services: WebhookReceiver) -> None:
    services.answer(202, times=1)
    request = sent(services, "mail", severity="critical")
    assert (request.headers["host"], request.path) == ("api.sendgrid.com", "/v3/mail/send")
    assert request.headers["authorization"] == "Bearer SG_secretkey0123"
    said = json.loads(request.body)
    assert said["personalizations"] == [{"to": [{"email": "ops@example.org"}]}]
    assert said["from"]["email"] == "alerts@example.org"
    assert said["subject"] == "[FIRING:1] WaitingJobsHigh post-publishing"
    [content] = said["content"]
    assert content["type"] == "text/html"
    assert "Workers do not keep up, or none is there." in content["value"]
    assert "since 2026-03-01 07:30 UTC" in content["value"]
    assert "Runbook: http://127.0.0.1:8080/runbooks/queues#waitingjobshigh<br>" in content["value"]


def test_discord_gets_a_message(services: WebhookReceiver) -> None:
    services.answer(204, times=1)
    request = sent(services, "chat")
    assert request.headers["host"] == "discord.com"
    assert request.path.startswith("/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
    said = json.loads(request.body)
    assert said["content"].splitlines() == [
        "[FIRING:1] WaitingJobsHigh post-publishing",
        "post-publishing: more than 10,000 waiting jobs",
        "Workers do not keep up, or none is there.",
        "since 2026-03-01 07:30 UTC",
        "Runbook: http://127.0.0.1:8080/runbooks/queues#waitingjobshigh",
        f"Dashboard: {DASHBOARD}",
    ]


def test_slack_gets_a_message(services: WebhookReceiver) -> None:
    services.answer(200, body=b"ok", times=1)
    request = sent(services, "slack", status="resolved")
    assert (request.headers["host"], request.path) == (
        "hooks.slack.com", "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    )  # fmt: skip
    said = json.loads(request.body)
    [attachment] = said["attachments"]
    assert said["channel"] == "#alerts"
    assert attachment["title"] == "[RESOLVED] WaitingJobsHigh post-publishing"
    assert attachment["text"].splitlines() == [
        "resolved: post-publishing: more than 10,000 waiting jobs", "fired since 2026-03-01 07:30 UTC",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "severity", "kind", "priority"),
    [
        ("firing", "critical", "error", "normal"), ("firing", "warning", "warning", "normal"),
        ("resolved", "critical", "success", "low"),
    ],
)  # fmt: skip
def test_datadog_gets_an_event(services: WebhookReceiver, status: str, severity: str, kind: str, priority: str) -> None:
    services.answer(202, body=b'{"status":"ok"}', times=1)
    request = sent(services, "events", status=status, severity=severity)
    assert (request.headers["host"], request.path) == ("api.datadoghq.eu", "/api/v1/events")
    assert request.headers["dd-api-key"] == KEY
    said = json.loads(request.body)
    assert said["title"].endswith("] WaitingJobsHigh post-publishing") or status == "firing"
    assert said["text"].startswith(
        "post-publishing: more" if status == "firing" else "resolved: post-publishing: more"
    )  # fmt: skip
    assert (said["alert_type"], said["priority"]) == (kind, priority)
    assert said["tags"] == [
        "alertname:WaitingJobsHigh", f"severity:{severity}", "service:callboard", "queue:post-publishing", "env:prod",
        "team:ops",
    ]  # fmt: skip
    assert said["aggregation_key"] == payload("events").group, "firing and resolved belong together"


def test_a_long_notification_is_cut_to_what_a_service_takes(services: WebhookReceiver) -> None:
    services.answer(204, times=1)
    content = json.loads(sent(services, "chat", alerts=30).body)["content"]
    assert len(content) <= 2_000
    assert content.endswith("…")
    services.requests.clear()
    services.answer(202, times=1)
    assert len(json.loads(sent(services, "events", alerts=30).body)["text"]) == 4_000


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_refusal_is_tried_again_and_says_why_without_a_secret(
    services: WebhookReceiver, printed: io.StringIO, target: str, status: int
) -> None:
    services.answer(status, body=b'{"message": "no"}')
    with pytest.raises(NotTaken) as raised:
        forward(payload(target), load_targets())
    said = str(raised.value)
    assert said.startswith(f"{target}: ")
    assert str(status) in said
    for secret in (SMS_TOKEN, "15557650000", "SG_secretkey0123", "JHMHI8qBe7bk2ZwO5U711o3dV_js", "TIiajkdnlaz", KEY):
        assert secret not in said
        assert secret not in printed.getvalue()


@pytest.mark.parametrize("target", TARGETS)
def test_a_service_that_hangs_up_is_tried_again(services: WebhookReceiver, target: str) -> None:
    services.play("hang_up", times=5)
    with pytest.raises(NotTaken, match=f"{target}: "):
        forward(payload(target), load_targets())
    services._planned.clear()


def test_a_target_that_is_not_there_any_more_is_no_reason_to_try_again(services: WebhookReceiver) -> None:
    with pytest.raises(UnknownTarget, match="no target 'gone'.*sms, mail, chat, slack, events"):
        forward(payload("gone"), load_targets())


@pytest.mark.parametrize("url", ["nosuch://s3cret-t0ken/x", "twilio://s3cret-t0ken", "datadog://s3cret-t0ken"])
def test_a_url_that_no_service_understands_is_no_reason_to_try_again(
    monkeypatch: pytest.MonkeyPatch, printed: io.StringIO, url: str
) -> None:
    monkeypatch.setenv("CALLBOARD_ALERTS_TARGETS", as_setting({"odd": url}))
    with pytest.raises(UnknownService, match="'odd'") as raised:
        forward(payload("odd"), load_targets())
    assert "s3cret" not in str(raised.value) + printed.getvalue()
