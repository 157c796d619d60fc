"""The CALLBOARD_WEBHOOK_* settings: safe by default, and clear when wrong."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from pydantic import ValidationError

from actors.webhooks.settings import WebhookSettings, load_webhook_settings
from callboard.errors import PermanentError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WebhookSettings.model_fields:
        monkeypatch.delenv(f"CALLBOARD_WEBHOOK_{name.upper()}", raising=False)


def test_by_default_only_public_https_on_the_usual_ports_is_allowed() -> None:
    policy = load_webhook_settings().policy
    assert (policy.allowed, policy.plain_http, policy.ports) == ((), False, {80, 443})


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_WEBHOOK_ALLOW", "127.0.0.1/32:8080, 10.0.0.0/8:*")
    monkeypatch.setenv("CALLBOARD_WEBHOOK_PORTS", "443, 8443")
    monkeypatch.setenv("CALLBOARD_WEBHOOK_TIMEOUT_S", "30")
    settings = load_webhook_settings()
    assert settings.timeout_s == 30
    assert settings.policy.ports == {443, 8443}
    assert settings.policy.refusal(ip_address("127.0.0.1"), 8080, plain=True) is None
    assert settings.policy.refusal(ip_address("10.9.9.9"), 1, plain=True) is None


def test_what_is_wrong_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_WEBHOOK_ALLOW", "127.0.0.1")
    monkeypatch.setenv("CALLBOARD_WEBHOOK_TIMEOUT_S", "0")
    with pytest.raises(PermanentError, match="webhooks are not configured: ") as caught:
        load_webhook_settings()
    assert "CALLBOARD_WEBHOOK_ALLOW: '127.0.0.1' is not NETWORK/BITS:PORT" in str(caught.value)
    assert "CALLBOARD_WEBHOOK_TIMEOUT_S: " in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"ports": ""},
        {"ports": "https"},
        {"ports": "0"},
        {"ports": "443;80"},
        {"allow": "10.0.0.0/8"},
        {"slow_down": 0.5},
        {"disable_after_days": 0},
        {"ca_file": "/nowhere/ca.pem"},
    ],
)
def test_wrong_settings_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WebhookSettings(**fields)
