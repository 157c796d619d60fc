"""Where Redis is, from a URL: what is understood, and what is refused without repeating a password."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from callboard.settings import Settings
from callboard.store.address import parse_address
from callboard.store.connect import connection_pool


@pytest.mark.parametrize(
    ("url", "nodes", "service", "options"),
    [
        ("redis+sentinel://a:1,b/main", (("a", 1), ("b", 26379)), "main", {"db": 0}),
        ("redis+sentinel://u:p%40@[::1]:7,b/main/3", (("::1", 7), ("b", 26379)), "main",
         {"db": 3, "username": "u", "password": "p@"}),
        ("redis+cluster://a:1,[fe80::2]", (("a", 1), ("fe80::2", 6379)), "", {}),
        ("redis+cluster://a?tls=true&ssl_ca_certs=/ca.pem", (("a", 6379),), "",
         {"ssl": True, "ssl_ca_certs": "/ca.pem"}),
    ],
)  # fmt: skip
def test_several_nodes(url: str, nodes: Any, service: str, options: dict[str, Any]) -> None:
    address = parse_address(url)
    assert (address.nodes, address.service, address.options) == (nodes, service, options)


@pytest.mark.parametrize("url", ["redis://h", "rediss://u:p@h:1/2?ssl_cert_reqs=none", "unix:///run/redis.sock?db=1"])
def test_one_server(url: str) -> None:
    pool = connection_pool(Settings(redis_url=url))
    assert pool.connection_kwargs["protocol"] == 2
    assert parse_address(url).kind == "one"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://h", "begins with none of redis://"),
        ("redis://:pw@", "names no host"),
        ("redis://u:pw@h:port", "port or a bracket is wrong"),
        ("redis://u:pw@[::1", "bracket is wrong"),
        ("redis://u:pw@h/main", "number of a database"),
        ("redis://u:pw@h?decode_responses=true", "'decode_responses' is unknown"),
        ("redis://u:pw@h?protocol=3", "'protocol' is unknown"),
        ("redis://u:pw@h?db=one", "'db' is unknown or has a value"),
        ("redis://u:pw@h?tls=true", "rediss://"),
        ("redis://u:pw@h?ssl_ca_certs=/ca.pem", "does not ask for"),
        ("redis+cluster://u:pw@h?ssl_ca_certs=/ca.pem", "does not ask for"),
        ("redis+sentinel://u:pw@h:1", "service's name is missing"),
        ("redis+sentinel://u:pw@h/main/x", "number of a database"),
        ("redis+sentinel://u:pw@h:x,b/main", "each node is host:port"),
        ("redis+cluster://u:pw@a,,b", "each node is host:port"),
        ("redis+cluster://u:pw@a/0", "has no databases"),
    ],
)
def test_what_is_not_understood_is_refused_by_the_settings(url: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason) as refused:
        Settings(redis_url=url)
    assert "pw" not in str(refused.value)


def test_an_empty_url_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    assert Settings().url == "redis://127.0.0.1:6379/0"
