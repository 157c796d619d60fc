"""What a webhook job may say, and what the endpoint gets of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from actors.webhooks.payload import WebhookPayload

ADDED_MS = 1_700_000_000_123


def payload(**fields: Any) -> WebhookPayload:
    return WebhookPayload(**{"endpoint": "ep_1", "event": "post.published", "data": {"id": 7}, **fields})


@pytest.mark.parametrize(
    "fields",
    [
        {"endpoint": ""},
        {"event": ""},
        {"event": "post..published"},
        {"event": "post published"},
        {"event": "post.*"},
        {"event": "post.published\n"},
        {"data": []},
        {"data": {"when": object()}},
        {"timestamp": "2026-01-01T00:00:00"},
        {"webhook_id": "a.b"},
        {"webhook_id": "a\r\nb"},
        {"webhook_id": "a\n"},
        {"url": "https://evil.example.com"},
    ],
)
def test_what_does_not_fit_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        payload(**fields)


def test_values_are_not_in_the_error() -> None:
    with pytest.raises(ValidationError) as caught:
        payload(webhook_id="secret.4711")
    assert "4711" not in str(caught.value)


def test_the_body_is_that_of_standard_webhooks() -> None:
    body = payload(timestamp="2026-03-01T12:00:00.5+02:00").body(ADDED_MS)
    assert body == b'{"type":"post.published","timestamp":"2026-03-01T10:00:00.500Z","data":{"id":7}}'


def test_an_event_without_a_time_happened_when_its_job_was_added() -> None:
    assert json.loads(payload().body(ADDED_MS))["timestamp"] == "2023-11-14T22:13:20.123Z"


def test_the_id_is_that_of_the_job_or_the_one_that_is_given() -> None:
    assert payload().id_for("evt-1:ep_1") == "evt-1:ep_1"
    assert payload(webhook_id="msg_9").id_for("evt-1:ep_1") == "msg_9"


def test_an_id_has_no_full_stop() -> None:
    """It could be moved into the timestamp that follows it in the signed content."""
    made = payload().id_for("report.2026.03")
    assert made.startswith("msg_")
    assert "." not in made
    assert made == payload().id_for("report.2026.03") != payload().id_for("report.2026.04")
