"""The CALLBOARD_SMTP_* settings: safe by default, and clear when wrong."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from actors.email.settings import SmtpSettings, is_loopback, load_smtp_settings
from callboard.errors import PermanentError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SmtpSettings.model_fields:
        monkeypatch.delenv(f"CALLBOARD_SMTP_{name.upper()}", raising=False)


def settings(**fields: Any) -> SmtpSettings:
    return SmtpSettings(**{"host": "mail.example.org", "sender": "Shop <shop@example.org>", **fields})


def test_tls_is_the_default_and_the_port_follows_it() -> None:
    assert (settings().tls, settings().port_in_effect) == ("starttls", 587)
    assert settings(tls="tls").port_in_effect == 465
    assert settings(tls="none").port_in_effect == 25
    assert settings(port=2525).port_in_effect == 2525


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_SMTP_HOST", "mail.example.org")
    monkeypatch.setenv("CALLBOARD_SMTP_SENDER", "shop@example.org")
    assert load_smtp_settings().id_domain == "example.org"


def test_what_is_missing_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_SMTP_PORT", "0")
    with pytest.raises(PermanentError) as caught:
        load_smtp_settings()
    for expected in ("CALLBOARD_SMTP_HOST: is not set", "CALLBOARD_SMTP_SENDER: is not set", "CALLBOARD_SMTP_PORT: "):
        assert expected in str(caught.value)


def test_no_password_goes_over_the_network_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_SMTP_HOST", "mail.example.org")
    monkeypatch.setenv("CALLBOARD_SMTP_SENDER", "shop@example.org")
    monkeypatch.setenv("CALLBOARD_SMTP_TLS", "none")
    monkeypatch.setenv("CALLBOARD_SMTP_USERNAME", "shop")
    monkeypatch.setenv("CALLBOARD_SMTP_PASSWORD", "hunter2")
    with pytest.raises(PermanentError, match="a password is not sent without TLS") as caught:
        load_smtp_settings()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.8.9.1"])
def test_this_machine_itself_may_hear_the_password(host: str) -> None:
    assert is_loopback(host)
    assert settings(host=host, tls="none", username="a", password="b").password is not None


@pytest.mark.parametrize("host", ["localhost.example.org", "10.0.0.1", "mail"])
def test_no_other_host_counts_as_this_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "a"},
        {"password": "b"},
        {"sender": "nobody"},
        {"sender": "a@example.org\r\nBcc: b@example.org"},
        {"tls": "maybe"},
        {"message_id_domain": "exa mple.org"},
        {"ca_file": "/nowhere/ca.pem"},
        {"username": "a", "password": "pässwort"},
    ],
)
def test_half_or_wrong_settings_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings(**fields)


def test_the_password_is_in_no_repr() -> None:
    assert "hunter2" not in repr(settings(username="a", password="hunter2"))
