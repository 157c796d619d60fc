"""The RFC 5322 message, read back by independent parsers."""

from __future__ import annotations

import base64
import email
import email.policy
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.email.message import build_message
from actors.email.payload import EmailPayload
from actors.email.progress import message_id_for
from actors.email.recipients import Mailbox, recipient_hash, without_addresses
from actors.email.rendering import Content

NOW = datetime(2026, 5, 12, 9, 30, tzinfo=UTC)
SENDER = Mailbox("shop@example.org", "Shop")
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=100).map(
    lambda text: " ".join(text.split())
)


def built(content: Content | None = None, *, names: list[str] | None = None, **fields: Any) -> EmailMessage:
    payload = EmailPayload.model_validate({"to": "ada@example.org", "subject": "Hi", "text": "t", **fields})
    if names is not None:
        boxes = [Mailbox(f"user{n}@some-long-domain-name.example.org", name) for n, name in enumerate(names)]
        payload = payload.model_copy(update={"to": boxes})
    content = content or Content("Hi", "t\n", None)
    return build_message(payload, content, sender=SENDER, message_id="<1.ab@example.org>", date=NOW)


def read(message: EmailMessage) -> EmailMessage:
    return email.message_from_bytes(message.as_bytes(), policy=email.policy.default)


def test_headers_of_a_plain_message() -> None:
    raw = built(cc=["Bob <bob@example.org>"], bcc="eve@example.org", reply_to="help@example.org").as_bytes()
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert message["From"] == "Shop <shop@example.org>"
    assert message["To"] == "ada@example.org"
    assert message["Cc"] == "Bob <bob@example.org>"
    assert message["Reply-To"] == "help@example.org"
    assert message["Message-ID"] == "<1.ab@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert parsedate_to_datetime(message["Date"]) == NOW
    assert b"eve" not in raw
    assert "Bcc" not in message


def test_all_bytes_are_ascii_with_crlf_and_short_lines() -> None:
    raw = built(Content("Größe " * 20, "ä" * 5000 + "\n" + "x" * 3000, "<p>日本</p>"), names=["Ünal"] * 20).as_bytes()
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 78


@given(names=st.lists(WORDS.filter(bool), min_size=1, max_size=6), subject=WORDS)
def test_names_subjects_and_file_names_survive(names: list[str], subject: str) -> None:
    file = {"filename": "a.txt", "content_base64": "aGk="}
    message = built(Content(subject, "t", None), names=names, attachments=[file])
    [part] = message.iter_attachments()
    part.replace_header("Content-Disposition", "attachment")
    part.set_param("filename", subject, header="Content-Disposition")
    plain = email.message_from_bytes(message.as_bytes())
    seen = [str(make_header(decode_header(name))) if "=?" in name else name for name, _ in getaddresses([plain["To"]])]
    assert seen == names
    assert read(message)["Subject"] == subject


@pytest.mark.parametrize("name", ["Größe.pdf", "a" * 196 + ".pdf", "日本" * 60 + ".csv", "two words; 'q' \"d\".txt"])
def test_file_names_survive(name: str) -> None:
    message = read(built(attachments=[{"filename": name, "content_base64": "aGk="}]))
    assert [part.get_filename() for part in message.iter_attachments()] == [name]


def test_both_bodies_and_attachments() -> None:
    data = bytes(range(256)) * 50
    encoded = base64.b64encode(data).decode()
    files = [
        {"filename": "r.pdf", "content_type": "application/pdf", "content_base64": encoded},
        {"filename": "r.csv", "content_type": "text/csv; charset=UTF-8", "content_base64": encoded},
    ]
    message = read(built(Content("Hi", "Grüße\n", "<p>Grüße</p>\n"), attachments=files))
    assert message.get_content_type() == "multipart/mixed"
    assert message.get_body(("plain",)).get_content() == "Grüße\r\n"  # type: ignore[union-attr]
    assert message.get_body(("html",)).get_content() == "<p>Grüße</p>\r\n"  # type: ignore[union-attr]
    pdf, csv = message.iter_attachments()
    assert (pdf.get_content_type(), pdf.get_payload(decode=True)) == ("application/pdf", data)
    assert (csv.get_content_type(), csv.get_content_charset()) == ("text/csv", "utf-8")
    assert csv.get_payload(decode=True) == data


def test_unsubscribe_by_one_click() -> None:
    url = "https://app.example.org/u/" + "a1" * 200
    raw = built(unsubscribe={"url": url, "mailto": "l@example.org"})
    text = raw.as_bytes().decode()
    assert f"List-Unsubscribe: <{url}>,\r\n <mailto:l@example.org>\r\n" in text
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in text


def test_no_one_click_without_a_url() -> None:
    message = read(built(unsubscribe={"mailto": "mailto:leave@example.org?subject=leave"}))
    assert message["List-Unsubscribe"] == "<mailto:leave@example.org?subject=leave>"
    assert "List-Unsubscribe-Post" not in message


def test_a_message_id_is_the_same_every_time_and_differs_by_job_and_recipients() -> None:
    first = message_id_for("job-1", ["a", "b"], "Hi", "example.org")
    assert first == message_id_for("job-1", ["b", "a"], "Hi", "example.org")
    assert first.startswith("<job-1.")
    assert first.endswith("@example.org>")
    assert first != message_id_for("job-2", ["a", "b"], "Hi", "example.org")
    assert first != message_id_for("job-1", ["a"], "Hi", "example.org")


@pytest.mark.parametrize("job_id", ["a:b:c", "..", "x" * 128, "2026-05-12T09:30:00"])
def test_any_job_id_makes_a_valid_message_id(job_id: str) -> None:
    made = message_id_for(job_id, ["a"], "Hi", "example.org")
    message = EmailMessage(policy=email.policy.SMTP)
    message["Message-ID"] = made
    assert not message["Message-ID"].defects
    assert made.encode() in message.as_bytes()


def test_a_recipient_hash_is_the_same_for_every_spelling() -> None:
    assert recipient_hash(" Ada@Example.ORG ") == recipient_hash("ada@example.org") == "cfe00dde46ef"
    assert without_addresses("<ada@example.org>: unknown, try bob@example.org.") == (
        f"<[{recipient_hash('ada@example.org')}]>: unknown, try [{recipient_hash('bob@example.org')}]"
    )
