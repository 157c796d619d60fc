"""What an email job may say, and how it is told that it may not."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from actors.email import payload as limits
from actors.email.payload import EmailPayload, parse_payload
from callboard.errors import PermanentError

SECRET = "ada@example.org"


def job(**fields: Any) -> dict[str, Any]:
    return {"to": SECRET, "subject": "Hello", "text": "Hi", **fields}


def attachment(content: bytes = b"x", **fields: Any) -> dict[str, Any]:
    return {"filename": "a.txt", "content_base64": base64.b64encode(content).decode(), **fields}


def test_one_address_or_a_list_with_names() -> None:
    payload = parse_payload(job(to=["Ada <ada@example.org>", "bob@EXAMPLE.org"], cc="cy@example.org"))
    assert [(each.name, each.address) for each in payload.to] == [
        ("Ada", "ada@example.org"),
        ("", "bob@example.org"),
    ]
    assert [each.address for each in payload.cc] == ["cy@example.org"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Ada Lövelace <ada@example.org>", "Ada Lövelace"),
        ("Lovelace, Ada  B. <ada@example.org>", "Lovelace, Ada B."),
        (r'"Ada \"The Countess\" L." <ada@example.org>', 'Ada "The Countess" L.'),
        ("<ada@example.org>", ""),
        ("O'Hara <ada@example.org>", "O'Hara"),
    ],
)
def test_names_as_people_write_them(written: str, name: str) -> None:
    [mailbox] = parse_payload(job(to=written)).to
    assert (mailbox.name, mailbox.address) == (name, "ada@example.org")


def test_a_recipient_named_twice_gets_one_copy() -> None:
    payload = parse_payload(job(to=["ada@example.org", "bob@example.org"], cc="ADA@example.org", bcc="bob@example.org"))
    assert list(payload.recipients.values()) == ["ada@example.org", "bob@example.org"]


def test_an_international_domain_is_sent_in_ascii() -> None:
    assert parse_payload(job(to="info@bücher.example")).to[0].address == "info@xn--bcher-kva.example"


@pytest.mark.parametrize("address", ["root@mailhost", "ops@mail.internal", "a@b.test"])
def test_company_domains_are_addresses(address: str) -> None:
    assert parse_payload(job(to=address)).to[0].address == address


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"to": []}, "to: List should have at least 1 item"),
        ({"to": ["ada@example.org", "nobody"]}, "to[1]: is not an address"),
        ({"to": ["ada@example.org", 7]}, "to[1]: must be a string"),
        ({"cc": "ada@example.org\nBcc: eve@example.org"}, "cc[0]: must not contain line breaks"),
        ({"reply_to": "Ada\r\n <ada@example.org>"}, "reply_to[0]: must not contain line breaks"),
        ({"to": "Eve <eve@example.org> <ada@example.org>"}, "to[0]: is not an address"),
        ({"to": "ada@example.org, bob@example.org"}, "to[0]: is not an address"),
        ({"to": "n" * 129 + " <ada@example.org>"}, "to[0]: has a display name longer than 128"),
        ({"to": "jörg@example.org"}, "to[0]: is not an address"),
        ({"to": "a@" + "b." * 40 + "c" * 300}, "to[0]: is not an address"),
        ({"to": [f"u{n}@example.org" for n in range(51)]}, "51 recipients; at most 50"),
        ({"subject": "Hello\r\nBcc: eve@example.org"}, "subject: must not contain line breaks"),
        ({"subject": "Hello\u2028world"}, "subject: must not contain line breaks"),
        ({"subject": "x" * 256}, "subject: String should have at most 255 characters"),
        ({"subject": None}, "subject is required unless a template brings one"),
        ({"text": None}, "nothing to say"),
        ({"template": "notice"}, "either template or text/html, not both"),
        ({"template": "../../etc/passwd", "text": None}, "template: String should match pattern"),
        ({"context": {"a": 1}}, "context is only of use together with template"),
        ({"template": "notice", "text": None, "context": {"mail": 1}}, "context must not use 'mail'"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"workspace": "a\nb"}, "workspace: must not contain line breaks"),
        ({"attachments": [attachment(filename="../a.txt")]}, "attachments[0].filename: must be a file name without"),
        ({"attachments": [attachment(filename="a\r\nX: y")]}, "attachments[0].filename: must not contain line breaks"),
        ({"attachments": [attachment(content_base64="%%%")]}, "attachments[0].content_base64: is not standard base64"),
        ({"attachments": [attachment(content_base64="aGk")]}, "attachments[0].content_base64: is not standard base64"),
        ({"attachments": [attachment(content_type="pdf")]}, "attachments[0].content_type: must be type/subtype"),
        (
            {"attachments": [attachment(content_type="a/b\r\nX: y")]},
            "attachments[0].content_type: must be type/subtype",
        ),
        ({"attachments": [attachment(content_type="message/rfc822")]}, "multipart and message types"),
        ({"attachments": [attachment(content_type="image/png; charset=x")]}, "only a text type has a charset"),
        ({"attachments": [attachment()] * 21}, "attachments: List should have at most 20 items"),
        ({"unsubscribe": {}}, "unsubscribe: needs url, mailto or both"),
        ({"unsubscribe": {"url": "http://example.org/u"}}, "unsubscribe.url: must be an https URL (RFC 8058"),
        ({"unsubscribe": {"url": "https://example.org/a b>"}}, "unsubscribe.url: must be percent-encoded"),
        ({"unsubscribe": {"url": "https://example.org/\r\nX: y"}}, "unsubscribe.url: must not contain line breaks"),
        ({"unsubscribe": {"mailto": "nobody"}}, "unsubscribe.mailto: is not an address"),
    ],
)
def test_what_does_not_fit_is_refused_with_field_and_reason(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(PermanentError) as caught:
        parse_payload(job(**fields))
    assert reason in str(caught.value)
    assert "@example.org" not in str(caught.value), "an address was quoted"
    assert caught.value.__context__ is None, "the chained validation error would show the values in a traceback"


def test_an_address_used_as_a_field_name_is_not_quoted() -> None:
    with pytest.raises(PermanentError) as caught:
        parse_payload(job(**{SECRET: 1}))
    assert SECRET not in str(caught.value)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(PermanentError, match=r"payload refused: to\[0\].*; cc\[0\].*; colour"):
        parse_payload(job(to="x", cc="y", colour=1))


def test_attachments_are_limited_by_their_decoded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ATTACHMENT_BYTES", 1000)
    assert parse_payload(job(attachments=[attachment(b"a" * 500), attachment(b"b" * 500)])).attachments
    with pytest.raises(PermanentError, match="attachments have 1001 bytes together; at most 1000"):
        parse_payload(job(attachments=[attachment(b"a" * 501), attachment(b"b" * 500)]))
    with pytest.raises(PermanentError, match=r"attachments\[0\].content_base64: decodes to more than 1000 bytes"):
        parse_payload(job(attachments=[attachment(b"a" * 1100)]))


def test_unsubscribe_by_address_becomes_a_uri() -> None:
    payload = parse_payload(job(unsubscribe={"mailto": "leave@example.org"}))
    assert payload.unsubscribe is not None
    assert payload.unsubscribe.mailto == "mailto:leave@example.org"


def test_the_schema_shows_what_callers_write() -> None:
    schema = EmailPayload.model_json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["to"]
    assert {"type": "string"} in schema["properties"]["to"]["anyOf"]


def test_no_repr_shows_an_address() -> None:
    assert SECRET not in repr(parse_payload(job()))
