"""Signatures, judged by the independent library; and the example of the specification."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from actors.webhooks.errors import EndpointInvalid
from actors.webhooks.signing import check_secret, new_secret, signed_headers


def now() -> int:
    return int(time.time())


def test_the_example_of_the_specification() -> None:
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(exclude_categories=["Cs"])))
def test_the_library_finds_every_signature_right(key: bytes, text: str) -> None:
    secret = check_secret("whsec_" + base64.b64encode(key).decode())
    headers = signed_headers("msg_1", now(), text.encode(), [secret])
    Webhook(secret).verify(text.encode(), headers, json_parse=False)
    stamp = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert Webhook(secret).sign("msg_1", stamp, text) == headers["webhook-signature"]


def test_every_secret_signs() -> None:
    secrets = [new_secret() for _ in range(3)]
    headers = signed_headers("msg_1", now(), b"{}", secrets)
    assert len(headers["webhook-signature"].split(" ")) == 3
    for secret in secrets:
        Webhook(secret).verify(b"{}", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(b"{}", headers)


def test_what_was_changed_on_the_way_is_found_out() -> None:
    secret = new_secret()
    headers = signed_headers("msg_1", now(), b"{}", [secret])
    for changed, body in (
        ({"webhook-id": "msg_2"}, b"{}"),
        ({"webhook-timestamp": str(now() - 1)}, b"{}"),
        ({}, b"[]"),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(body, {**headers, **changed})


def test_new_secrets_are_whole_and_differ() -> None:
    assert check_secret(new_secret()) != new_secret()


@pytest.mark.parametrize(
    "secret",
    [
        "", "whsec_", "whsec_c2hvcnQ=", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5", "whsec_not base64 at all, is it?",
        "whsec_" + base64.b64encode(b"x" * 65).decode(), "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_ü" * 9,
    ],
)  # fmt: skip
def test_what_is_no_secret_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(EndpointInvalid, match=r"^secret: must be whsec_ and the standard base64") as caught:
        check_secret(secret)
    assert len(secret) < 10 or secret not in str(caught.value)
