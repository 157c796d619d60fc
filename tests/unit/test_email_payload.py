"""What an email job may say, and how it is told that it may not."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.email import payload as limits
from actors.email.payload import EmailPayload
from actors.email_notifications import send_email
from callboard.errors import PayloadInvalid, PermanentError
from callboard.payloads import PublishedSchema, contract_of

SECRET = "ada@example.org"

#: What the actor takes, as the worker and a producer with the model see it, and as any other producer does.
CONTRACT = contract_of("send_email", send_email.options)
assert CONTRACT is not None
SCHEMA = PublishedSchema("send_email", CONTRACT.published()["schema"], CONTRACT.version)


def parse(payload: dict[str, Any]) -> EmailPayload:
    """A stored payload, as the worker reads it."""
    assert CONTRACT is not None
    read = CONTRACT.read((), payload, 1)
    assert isinstance(read, EmailPayload)
    return read


def job(**fields: Any) -> dict[str, Any]:
    return {"to": SECRET, "subject": "Hello", "text": "Hi", **fields}


def attachment(content: bytes = b"x", **fields: Any) -> dict[str, Any]:
    return {"filename": "a.txt", "content_base64": base64.b64encode(content).decode(), **fields}


def test_one_address_or_a_list_with_names() -> None:
    payload = parse(job(to=["Ada <ada@example.org>", "bob@EXAMPLE.org"], cc="cy@example.org"))
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
    [mailbox] = parse(job(to=written)).to
    assert (mailbox.name, mailbox.address) == (name, "ada@example.org")


def test_a_recipient_named_twice_gets_one_copy() -> None:
    payload = parse(job(to=["ada@example.org", "bob@example.org"], cc="ADA@example.org", bcc="bob@example.org"))
    assert list(payload.recipients.values()) == ["ada@example.org", "bob@example.org"]


def test_an_international_domain_is_sent_in_ascii() -> None:
    assert parse(job(to="info@bücher.example")).to[0].address == "info@xn--bcher-kva.example"


@pytest.mark.parametrize("address", ["root@mailhost", "ops@mail.internal", "a@b.test"])
def test_company_domains_are_addresses(address: str) -> None:
    assert parse(job(to=address)).to[0].address == address


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"to": []}, "to: List should have at least 1 item"),
        ({"to": ["ada@example.org", "nobody"]}, "to.1: is not an address"),
        ({"to": ["ada@example.org", 7]}, "to.1: must be a string"),
        ({"cc": "ada@example.org\nBcc: eve@example.org"}, "cc.0: must not contain line breaks"),
        ({"reply_to": "Ada\r\n <ada@example.org>"}, "reply_to.0: must not contain line breaks"),
        ({"to": "Eve <eve@example.org> <ada@example.org>"}, "to.0: is not an address"),
        ({"to": "ada@example.org, bob@example.org"}, "to.0: is not an address"),
        ({"to": "n" * 129 + " <ada@example.org>"}, "to.0: has a display name longer than 128"),
        ({"to": "jörg@example.org"}, "to.0: is not an address"),
        ({"to": "a@" + "b." * 40 + "c" * 300}, "to.0: is not an address"),
        ({"to": [f"u{n}@example.org" for n in range(51)]}, "to: List should have at most 50 items"),
        ({"to": [f"u{n}@example.org" for n in range(50)], "bcc": "v@example.org"}, "51 recipients; at most 50"),
        ({"to": "a" + " " * 999 + "@b.test"}, "to.0: is longer than 1000 characters"),
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
        ({"attachments": [attachment(filename="../a.txt")]}, "attachments.0.filename: must be a file name without"),
        ({"attachments": [attachment(filename="a\r\nX: y")]}, "attachments.0.filename: must not contain line breaks"),
        ({"attachments": [attachment(content_base64="%%%")]}, "attachments.0.content_base64: is not standard base64"),
        ({"attachments": [attachment(content_base64="aGk")]}, "attachments.0.content_base64: is not standard base64"),
        ({"attachments": [attachment(content_type="pdf")]}, "attachments.0.content_type: must be type/subtype"),
        (
            {"attachments": [attachment(content_type="a/b\r\nX: y")]},
            "attachments.0.content_type: must be type/subtype",
        ),
        ({"attachments": [attachment(content_type="te\u017ft/a")]}, "attachments.0.content_type: must be type/subtype"),
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
        parse(job(**fields))
    assert reason in str(caught.value)
    assert "@example.org" not in str(caught.value), "an address was quoted"
    with pytest.raises(PayloadInvalid) as refused:
        CONTRACT.check((), job(**fields))
    assert reason in str(refused.value), "the door says what the worker says"
    with contextlib.suppress(PayloadInvalid):
        SCHEMA.check((), job(**fields))


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(PermanentError, match=r"does not fit 'send_email': to\.0: .*; cc\.0: .*; colour: "):
        parse(job(to="x", cc="y", colour=1))


def test_attachments_are_limited_by_their_decoded_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ATTACHMENT_BYTES", 1000)
    assert parse(job(attachments=[attachment(b"a" * 500), attachment(b"b" * 500)])).attachments
    with pytest.raises(PermanentError, match="attachments have 1001 bytes together; at most 1000"):
        parse(job(attachments=[attachment(b"a" * 501), attachment(b"b" * 500)]))
    with pytest.raises(PermanentError, match=r"attachments.0.content_base64: decodes to more than 1000 bytes"):
        parse(job(attachments=[attachment(b"a" * 1100)]))


def test_unsubscribe_by_address_becomes_a_uri() -> None:
    payload = parse(job(unsubscribe={"mailto": "leave@example.org"}))
    assert payload.unsubscribe is not None
    assert payload.unsubscribe.mailto == "mailto:leave@example.org"


# -- for producers in other languages: the published schema


def test_the_schema_tells_a_producer_what_to_write() -> None:
    schema = EmailPayload.model_json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["to"]
    text, many = schema["properties"]["to"]["anyOf"]
    assert (text["type"], many["type"], many["items"]) == ("string", "array", text)
    assert (many["minItems"], many["maxItems"]) == (1, limits.MAX_RECIPIENTS)
    assert schema["properties"]["reply_to"]["anyOf"][1]["maxItems"] == limits.MAX_REPLY_TO
    for owner in (schema, *schema["$defs"].values()):
        silent = [name for name, field in owner.get("properties", {}).items() if not field.get("description")]
        assert not silent, f"without a description: {silent}"


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ({"subject": "s", "text": "t"}, '"to" is a required property'),
        (job(to=[]), "to: it has less than 1 item"),
        (job(to=7), "to: it is not of type"),
        (job(to=[SECRET, 7]), 'to.1: it is not of type "string"'),
        (job(bcc=[SECRET] * 51), "bcc: it has more than 50 items"),
        (job(cc="x" * 1001), "cc: it is longer than 1000 characters"),
        (job(reply_to=[SECRET] * 11), "reply_to: it has more than 10 items"),
        (job(subject="x" * 256), "subject: it is longer than 255 characters"),
        (job(colour="red"), "colour: there is no such field"),
        (job(template="../x"), "template: it does not match"),
        (job(text=""), "text: it is shorter than 1 character"),
        (job(unsubscribe={}), "unsubscribe: it has less than 1 property"),
        (job(attachments=[{"filename": "a"}]), 'attachments.0: "content_base64" is a required property'),
        (job(attachments=[attachment()] * 21), "attachments: it has more than 20 items"),
    ],
)
def test_a_producer_without_the_model_is_refused_at_the_door_too(payload: dict[str, Any], reason: str) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        SCHEMA.check((), payload)
    assert reason in str(refused.value)
    assert "@example.org" not in str(refused.value)
    with pytest.raises(PermanentError):
        parse(payload)


@pytest.mark.parametrize("check", [CONTRACT.check, SCHEMA.check], ids=["model", "schema"])
@pytest.mark.parametrize(
    "fields",
    [
        {SECRET: 1},
        {"unsubscribe": {SECRET: 1}},
        {"attachments": [{SECRET: 1}]},
        {"to": [SECRET, {SECRET: SECRET}]},
        {"cc": {SECRET: SECRET}},
        {"context": SECRET},
        {"template": SECRET},
        {"subject": [SECRET]},
        {"attachments": SECRET},
        {"unsubscribe": {"url": [SECRET]}},
    ],
)
def test_no_address_is_in_the_reason_wherever_it_stands(check: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        check((), job(**fields))
    assert "ada" not in str(refused.value)


ADDRESSES = st.sampled_from([SECRET, "Ada Lövelace <ada@example.org>", "info@bücher.example", '"L, A" <a@b.test>'])
SOME = st.one_of(ADDRESSES, st.lists(ADDRESSES, min_size=1, max_size=50))
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp")), min_size=1, max_size=255)
JSON = st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS), st.lists, max_leaves=4)
PAYLOADS = st.fixed_dictionaries(
    {"to": SOME, "subject": TEXTS},
    optional={
        "cc": st.one_of(SOME, st.just([])),
        "bcc": SOME,
        "reply_to": st.one_of(ADDRESSES, st.lists(ADDRESSES, max_size=10)),
        "text": TEXTS,
        "html": TEXTS,
        "template": st.one_of(st.none(), st.from_regex(r"[a-z][a-z0-9_]{0,63}", fullmatch=True)),
        "context": st.dictionaries(TEXTS, JSON, max_size=3),
        "workspace": st.one_of(st.none(), TEXTS.map(lambda text: text[:128])),
        "unsubscribe": st.sampled_from(
            [None, {"url": "https://e.example/u"}, {"mailto": SECRET}, {"url": None, "mailto": "mailto:a@b.test?x=y"}]
        ),
        "attachments": st.lists(
            st.builds(
                lambda content, kind: {**attachment(content), **({"content_type": kind} if kind else {})},
                st.binary(max_size=50),
                st.sampled_from([None, "application/pdf", "TEXT/csv; charset=UTF-8", "image/svg+xml"]),
            ),
            max_size=20,
        ),
    },
)


@given(PAYLOADS)
def test_the_schema_refuses_nothing_that_the_model_takes(payload: dict[str, Any]) -> None:
    try:
        parse(payload)
    except PermanentError:
        return
    SCHEMA.check((), payload)


def test_no_repr_shows_an_address() -> None:
    assert SECRET not in repr(parse(job()))
