"""Settings never show a password, and a host may be an IPv6 address."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from callboard.settings import Settings
from callboard.store.connect import connection_pool


def test_an_error_of_the_settings_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "s3cret")
    monkeypatch.setenv("CALLBOARD_ONLY_QUEUES", "1")
    with pytest.raises(ValidationError, match="catalogue is empty") as caught:
        Settings()
    assert "s3cret" not in str(caught.value)


def test_a_host_may_be_an_ipv6_address() -> None:
    arguments = connection_pool(Settings(redis_host="::1", redis_port=6380)).connection_kwargs
    assert (arguments["host"], arguments["port"]) == ("::1", 6380)
