"""What an endpoint may be, and which events it wants."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from actors.webhooks.endpoints import Endpoint, Secret, check_description, check_events, check_url, dump, load
from actors.webhooks.errors import EndpointInvalid
from actors.webhooks.settings import WebhookSettings

SAFE = WebhookSettings().policy


def endpoint(**fields: Any) -> Endpoint:
    return Endpoint(
        **{
            "id": "ep_1", "workspace": "acme", "url": "https://hooks.example.com/key-4711", "events": ("*",),
            "secrets": (Secret(SecretStr("whsec_new"), 50), Secret(SecretStr("whsec_old"), 0, 100)),
            "created_ms": 0, **fields,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example.com/", "http is not allowed"),
        ("ftp://hooks.example.com/", "must be an absolute https URL"),
        ("hooks.example.com/", "must be an absolute https URL"),
        ("https://", "must be an absolute https URL"),
        ("https://ada:pw-4711@hooks.example.com/", "must not contain a user name or password"),
        ("https://hooks.example.com:8443/", "port 8443 is not allowed"),
        ("https://127.0.0.1/", "not a public address"),
        ("https://[::1]/", "not a public address"),
        ("https://10.1.2.3/", "not a public address"),
        ("https://169.254.169.254/latest/meta-data", "not a public address"),
        ("https://2130706433/", "four decimal numbers"),
        ("https://0x7f.1/", "four decimal numbers"),
        ("https://127.1/", "four decimal numbers"),
        ("https://127.1./", "four decimal numbers"),
        ("https://017700000001/", "four decimal numbers"),
        ("https://0177.0.0.1/", "is not a valid URL"),
        ("https://a b.example.com/", "without spaces"),
        ("https://hooks.example.com/\r\nx", "without spaces"),
        ("https://hooks.example.com/" + "x" * 2_000, "at most 2000 characters"),
        ("https://hooks.example.com:99999/", ""),
        (None, "must be"),
    ],
)
def test_urls_that_no_endpoint_may_have(url: Any, reason: str) -> None:
    with pytest.raises(EndpointInvalid, match="^url: ") as caught:
        check_url(url, SAFE)
    assert reason in str(caught.value)
    assert "4711" not in str(caught.value)


def test_what_is_allowed_may_be_had() -> None:
    policy = WebhookSettings(allow="127.0.0.1/32:8080,10.0.0.0/8:*").policy
    for url in ("http://127.0.0.1:8080/", "https://10.1.2.3:9/", "http://intern:8080/", "https://hooks.example.com/"):
        assert check_url(url, policy) == url
    for url in ("http://127.0.0.1:8081/", "https://127.0.0.2:8080/", "http://192.168.1.1:8080/"):
        with pytest.raises(EndpointInvalid):
            check_url(url, policy)
    assert check_url("http://hooks.example.com/", WebhookSettings(allow_http=True).policy)


def test_urls_are_kept_in_their_normal_form() -> None:
    assert check_url("HTTPS://Hooks.Example.COM:443/a?b=c#part", SAFE) == "https://hooks.example.com/a?b=c"


@pytest.mark.parametrize(
    "events", [[], "post.published", ["post*"], ["*.published"], [""], ["post.published\n"], ["."], ["a"] * 51, None]
)
def test_filters_that_no_endpoint_may_have(events: Any) -> None:
    with pytest.raises(EndpointInvalid, match="^events: "):
        check_events(events)


@pytest.mark.parametrize("description", ["two\nlines", "x" * 201, None])
def test_descriptions_that_no_endpoint_may_have(description: Any) -> None:
    with pytest.raises(EndpointInvalid, match="^description: "):
        check_description(description)


@pytest.mark.parametrize(
    ("events", "wanted", "unwanted"),
    [
        (("*",), ["post.published", "x"], []),
        (("post.published",), ["post.published"], ["post.published.late", "post", "Post.published"]),
        (("post.*",), ["post.published", "post.media.added"], ["post", "postal.sent", "user.post.x"]),
        (("post.*", "user.created"), ["post.x", "user.created"], ["user.deleted"]),
    ],
)
def test_an_endpoint_wants_what_its_filter_names(
    events: tuple[str, ...], wanted: list[str], unwanted: list[str]
) -> None:
    subject = endpoint(events=check_events(list(events)))
    assert [each for each in wanted if not subject.wants(each)] == []
    assert [each for each in unwanted if subject.wants(each)] == []


def test_secrets_are_in_force_until_their_time_is_over() -> None:
    assert endpoint().secrets_in_force(99) == ["whsec_new", "whsec_old"]
    assert endpoint().secrets_in_force(100) == ["whsec_new"]


def test_neither_url_nor_secret_is_in_a_repr() -> None:
    shown = repr(endpoint(description="mine"))
    assert "4711" not in shown
    assert "whsec" not in shown
    assert "whsec" not in repr(endpoint().secrets)
    assert endpoint().host == "hooks.example.com"


def test_what_is_stored_is_read_back() -> None:
    before = endpoint(description="mine")
    assert load("ep_1", [dump(before).encode(), None, None, None, None]) == before
