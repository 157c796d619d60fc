"""Sending over a real SMTP server: what arrives, what is tried again, what is not, and who gets it twice (nobody)."""

from __future__ import annotations

import base64
import contextlib
import json
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
import trustme

from actors.email.errors import DeliveryUnknown, RecipientsDeferred, ServerUnavailable
from actors.email.payload import EmailPayload
from actors.email.recipients import recipient_hash
from actors.email.sending import send
from actors.email.settings import SmtpSettings
from callboard.errors import JobCancelled, LeaseLost, PermanentError, StoreUnavailable
from demo.smtp import LocalSmtp
from tests.support.email_jobs import Paper, running

ADA, BOB, CY = "ada@example.org", "bob@example.org", "cy@example.org"
ADA_HASH, BOB_HASH, CY_HASH = (recipient_hash(each) for each in (ADA, BOB, CY))


@pytest.fixture
def server() -> Iterator[LocalSmtp]:
    with LocalSmtp() as server:
        yield server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def certificate(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


class Job:
    """A job and its attempts, with the checkpoints that outlive each."""

    def __init__(self, server: LocalSmtp, payload: dict[str, Any], **settings: Any) -> None:
        self.payload = EmailPayload(**{"to": ADA, "subject": "Hello", "text": "Hi there\n", **payload})
        self.paper = Paper()
        defaults = {"host": server.host, "port": server.port, "tls": "none", "sender": "Shop <shop@example.org>"}
        self.settings = SmtpSettings(**{**defaults, "helo_name": "test.example.org", "timeout_s": 5.0, **settings})

    def attempt(self, *, last: bool = False) -> dict[str, Any]:
        try:
            return send(self.payload, running("job-1", self.paper, last=last), settings=self.settings)
        except Exception as error:
            shown = f"{error!r} {error.__context__!r} {error.__cause__!r}"
            assert "@example.org" not in shown, "an address is in the error"
            raise
        finally:
            assert "@example.org" not in json.dumps({**self.state, "message_id": ""}), "an address is in the state"

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.paper.kept.get("email_state", {})
        return state


# -- what arrives


def test_a_message_arrives_whole(server: LocalSmtp) -> None:
    data = bytes(range(256)) * 40
    job = Job(
        server,
        {
            "to": ["Ada Lövelace <ada@example.org>"],
            "cc": BOB,
            "bcc": CY,
            "reply_to": "help@example.org",
            "subject": "Grüße aus Köln: 日本",
            "text": "Text\n.\nmit Punkt\n..zwei\n",
            "html": "<p>HTML ü</p>",
            "attachments": [
                {
                    "filename": "Größe.pdf",
                    "content_type": "application/pdf",
                    "content_base64": base64.b64encode(data).decode(),
                }
            ],
            "unsubscribe": {"url": "https://app.example.org/u/1"},
        },
    )
    result = job.attempt()
    [mail] = server.wait_for(1)
    message = mail.message

    assert result == {"message_id": message["Message-ID"], "accepted": 3, "refused": {}}
    assert (mail.sender, mail.recipients) == ("shop@example.org", (ADA, BOB, CY))
    assert message["From"] == "Shop <shop@example.org>"
    assert message["To"] == "Ada Lövelace <ada@example.org>"
    assert message["Cc"] == BOB
    assert message["Reply-To"] == "help@example.org"
    assert message["Subject"] == "Grüße aus Köln: 日本"
    assert message["List-Unsubscribe"] == "<https://app.example.org/u/1>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert CY.encode() not in mail.raw, "bcc must be in the envelope only"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().splitlines() == ["Text", ".", "mit Punkt", "..zwei"]
    assert "HTML ü" in html.get_content()
    [part] = message.iter_attachments()
    assert (part.get_filename(), part.get_payload(decode=True)) == ("Größe.pdf", data)


def test_a_template_arrives_in_both_forms(tmp_path: Path) -> None:
    context = {"title": "Report ready", "paragraphs": ["It is here."]}
    with LocalSmtp(folder=tmp_path) as server:
        Job(server, {"template": "notice", "context": context, "text": None, "subject": None}).attempt()
        [mail] = server.wait_for(1)
    assert (tmp_path / "0001.eml").read_bytes() == mail.raw
    assert mail.message["Subject"] == "Report ready"
    assert mail.message.get_content_type() == "multipart/alternative"


# -- TLS and login


def test_starttls_and_login(authority: trustme.CA, ca_file: Path) -> None:
    context, users = certificate(authority), {"shop": "secret"}
    with LocalSmtp(tls="starttls", ssl_context=context, users=users) as server:
        Job(server, {}, tls="starttls", ca_file=ca_file, username="shop", password="secret").attempt()
        assert [mail.tls for mail in server.wait_for(1)] == [True]


def test_implicit_tls(authority: trustme.CA, ca_file: Path) -> None:
    with LocalSmtp(tls="tls", ssl_context=certificate(authority)) as server:
        Job(server, {}, tls="tls", ca_file=ca_file).attempt()
        assert [mail.tls for mail in server.wait_for(1)] == [True]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_an_unknown_certificate_is_not_trusted(authority: trustme.CA, tls: Any) -> None:
    with LocalSmtp(tls=tls, ssl_context=certificate(authority)) as server:
        with pytest.raises(PermanentError, match="certificate is not trusted"):
            Job(server, {}, tls=tls).attempt()
        assert server.mailbox == []


def test_a_certificate_for_another_host_is_not_trusted(authority: trustme.CA, ca_file: Path) -> None:
    with (
        LocalSmtp(tls="tls", ssl_context=certificate(authority, "mail.example.org")) as server,
        pytest.raises(PermanentError, match="certificate is not trusted"),
    ):
        Job(server, {}, tls="tls", ca_file=ca_file).attempt()


def test_starttls_never_falls_back_to_plain_text(server: LocalSmtp) -> None:
    with pytest.raises(PermanentError, match="starting TLS: STARTTLS extension not supported"):
        Job(server, {}, tls="starttls").attempt()
    assert server.mailbox == []


def test_a_wrong_password_fails_at_once() -> None:
    with LocalSmtp(users={"shop": "secret"}) as server:
        job = Job(server, {}, username="shop", password="wrong")
        with pytest.raises(PermanentError, match=r"logging in: 535 .* 0 of 1 recipients") as caught:
            job.attempt()
        assert "wrong" not in str(caught.value)


def test_a_server_without_login_fails_at_once(server: LocalSmtp) -> None:
    with pytest.raises(PermanentError, match="no email can be sent: logging in: "):
        Job(server, {}, username="shop", password="secret").attempt()


def test_a_missing_login_fails_at_once() -> None:
    with LocalSmtp(users={"shop": "secret"}) as server, pytest.raises(PermanentError, match="530 "):
        Job(server, {}).attempt()


# -- recipient by recipient


def test_a_refused_recipient_fails_at_once_with_the_servers_reason(server: LocalSmtp) -> None:
    server.refuse_recipient(ADA, code=550, text=f"5.1.1 <{ADA}> user unknown")
    with pytest.raises(PermanentError) as caught:
        Job(server, {}).attempt()
    expected = (
        f"0 of 1 recipients got the message; refused for good: {ADA_HASH} (550 5.1.1 <[{ADA_HASH}]> user unknown)"
    )
    assert str(caught.value) == expected


def test_a_deferred_recipient_is_tried_again_and_the_others_get_no_second_copy(server: LocalSmtp) -> None:
    server.refuse_recipient(BOB, code=451, text="greylisted", times=1)
    job = Job(server, {"to": [ADA, BOB, CY]})
    with pytest.raises(RecipientsDeferred, match=rf"2 of 3 .*to be tried again: {BOB_HASH} \(451 greylisted\)"):
        job.attempt()
    assert job.state["accepted"] == [ADA_HASH, CY_HASH]

    assert job.attempt()["accepted"] == 3
    first, second = server.wait_for(2)
    assert (first.recipients, second.recipients) == ((ADA, CY), (BOB,))
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.message["Date"] == second.message["Date"]
    assert second.message["To"] == f"{ADA}, {BOB}, {CY}", "headers name everybody, whoever this copy is for"


def test_deferred_first_refused_later_ends_with_who_got_it(server: LocalSmtp) -> None:
    server.refuse_recipient(ADA, code=550, text="unknown")
    server.refuse_recipient(BOB, code=450, text="busy", times=2)
    job = Job(server, {"to": [ADA, BOB], "cc": CY})
    for _ in range(2):
        with pytest.raises(RecipientsDeferred, match="1 of 3"):
            job.attempt()
    assert job.state["refused"] == {ADA_HASH: [550, "unknown"]}
    with pytest.raises(PermanentError, match=f"2 of 3 recipients got the message; refused for good: {ADA_HASH}"):
        job.attempt()
    assert [mail.recipients for mail in server.wait_for(2)] == [(CY,), (BOB,)]
    assert server.connections == 3


def test_what_was_refused_for_good_is_not_asked_again(server: LocalSmtp) -> None:
    server.refuse_recipient(ADA, code=550, times=1)
    server.refuse_recipient(BOB, code=451, times=1)
    job = Job(server, {"to": [ADA, BOB]})
    with pytest.raises(RecipientsDeferred):
        job.attempt()
    with pytest.raises(PermanentError, match="1 of 2"):
        job.attempt()
    assert [mail.recipients for mail in server.wait_for(1)] == [(BOB,)]


def test_a_retry_by_an_operator_asks_the_refused_again_and_nobody_else(server: LocalSmtp) -> None:
    server.refuse_recipient(BOB, code=550, times=1)
    job = Job(server, {"to": [ADA, BOB]})
    with pytest.raises(PermanentError):
        job.attempt()
    assert job.attempt()["accepted"] == 2
    assert [mail.recipients for mail in server.wait_for(2)] == [(ADA,), (BOB,)]


def test_too_many_recipients_is_worth_another_attempt_even_as_552(server: LocalSmtp) -> None:
    server.refuse_recipient(BOB, code=552, text="too many recipients", times=1)
    job = Job(server, {"to": [ADA, BOB]})
    with pytest.raises(RecipientsDeferred):
        job.attempt()
    assert job.attempt()["accepted"] == 2


def test_a_server_that_closes_the_channel_between_recipients_gets_no_message(server: LocalSmtp) -> None:
    server.refuse_recipient(BOB, code=421, text="shutting down", times=1)
    job = Job(server, {"to": [ADA, BOB, CY]})
    with pytest.raises(RecipientsDeferred, match="0 of 3"):
        job.attempt()
    assert server.mailbox == []
    assert job.attempt()["accepted"] == 3


def test_many_refusals_make_a_short_reason(server: LocalSmtp) -> None:
    people = [f"p{n}@example.org" for n in range(9)]
    for person in people:
        server.refuse_recipient(person, code=550, text="x" * 400)
    with pytest.raises(PermanentError, match="and 4 more") as caught:
        Job(server, {"to": people}).attempt()
    assert len(str(caught.value)) < 1500


# -- the whole message


@pytest.mark.parametrize("refuse", ["refuse_sender", "refuse_data"])
def test_a_4xx_to_the_whole_message_is_tried_again(server: LocalSmtp, refuse: str) -> None:
    getattr(server, refuse)(code=452, text="disk full", times=1)
    job = Job(server, {"to": [ADA, BOB]})
    with pytest.raises(RecipientsDeferred, match=r"0 of 2 .*452 disk full"):
        job.attempt()
    assert job.attempt()["accepted"] == 2


def test_a_refused_sender_fails_at_once(server: LocalSmtp) -> None:
    server.refuse_sender(code=553, text="5.7.1 <shop@example.org> not yours")
    with pytest.raises(PermanentError, match="the server refuses the sender or the message: 553 5.7.1"):
        Job(server, {}).attempt()


def test_a_refused_message_fails_at_once(server: LocalSmtp) -> None:
    server.refuse_data(code=554, text="5.7.1 looks like spam")
    with pytest.raises(PermanentError, match=r"0 of 2 .*554 5.7.1 looks like spam"):
        Job(server, {"to": [ADA, BOB]}).attempt()


# -- the connection


def test_nobody_listening_is_worth_another_attempt(server: LocalSmtp) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        job = Job(server, {}, port=unused.getsockname()[1])
        with pytest.raises(ServerUnavailable, match="connecting: ConnectionRefusedError"):
            job.attempt()


def test_a_name_that_does_not_resolve_is_worth_another_attempt(server: LocalSmtp) -> None:
    with pytest.raises(ServerUnavailable, match="connecting: gaierror"):
        Job(server, {}, host="mail.invalid").attempt()


def test_an_impossible_host_name_fails_at_once(server: LocalSmtp) -> None:
    with pytest.raises(PermanentError, match="connecting: the host name"):
        Job(server, {}, host="x" * 70 + ".example.org").attempt()


def test_a_silent_server_is_worth_another_attempt(server: LocalSmtp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        job = Job(server, {}, port=silent.getsockname()[1], timeout_s=0.2)
        with pytest.raises(ServerUnavailable, match="timed out"):
            job.attempt()


@pytest.mark.parametrize("at", ["connect", "recipient"])
def test_a_connection_lost_before_the_message_is_worth_another_attempt(server: LocalSmtp, at: Any) -> None:
    server.drop_connection(at)
    job = Job(server, {"to": [ADA, BOB]})
    with pytest.raises(ServerUnavailable, match="0 of 2"):
        job.attempt()
    assert job.attempt()["accepted"] == 2
    assert len(server.wait_for(1)) == 1


def test_a_connection_lost_in_the_middle_of_the_message_means_nobody_got_it(server: LocalSmtp) -> None:
    def hang_up_inside_the_message(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb", buffering=0) as lines:
            for answer in ("220 hello", "250 hello", "250 sender", "250 recipient", "354 go on"):
                lines.write(f"{answer}\r\n".encode())
                lines.readline()

    big = base64.b64encode(bytes(6_000_000)).decode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up_inside_the_message, args=(listener,))
        thread.start()
        job = Job(server, {"attachments": [{"filename": "a", "content_base64": big}]}, port=listener.getsockname()[1])
        with pytest.raises(ServerUnavailable, match=r"sending: .* 0 of 1"):
            job.attempt()
        thread.join(10)
    assert job.state["accepted"] == []


def test_what_was_settled_before_the_connection_broke_stays_settled(server: LocalSmtp) -> None:
    server.refuse_recipient(ADA, code=550, text="unknown")
    server.drop_connection("data")
    job = Job(server, {"to": [ADA, BOB]})
    with pytest.raises(DeliveryUnknown):
        job.attempt()
    assert job.state["refused"] == {ADA_HASH: [550, "unknown"]}


def test_a_lost_last_reply_is_unknown_and_sent_again_under_the_same_message_id(server: LocalSmtp) -> None:
    server.drop_connection("after_data")
    job = Job(server, {})
    with pytest.raises(DeliveryUnknown, match="sent again under the same Message-ID"):
        job.attempt()
    assert job.attempt()["accepted"] == 1
    first, second = server.wait_for(2)
    assert first.message["Message-ID"] == second.message["Message-ID"]


# -- what is kept, and when


class Interrupted(BaseException):
    """What a time limit or a cancel raises into the actor, wherever it is."""


def test_an_interrupt_while_saying_goodbye_costs_no_second_copy(
    server: LocalSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_args: Any) -> None:
        raise Interrupted

    job = Job(server, {})
    with monkeypatch.context() as patch, contextlib.suppress(Interrupted):
        patch.setattr("smtplib.SMTP.quit", interrupted)
        job.attempt()
    assert job.attempt()["accepted"] == 1
    assert len(server.mailbox) == 1


def test_an_interrupt_right_after_the_message_costs_no_second_copy(
    server: LocalSmtp, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = smtplib.SMTP.send

    def interrupted(self: smtplib.SMTP, data: Any) -> None:
        whole(self, data)
        if data.endswith(b"\r\n.\r\n" if isinstance(data, bytes) else "\r\n.\r\n"):
            raise Interrupted

    job = Job(server, {})
    with monkeypatch.context() as patch:
        patch.setattr("smtplib.SMTP.send", interrupted)
        with pytest.raises(Interrupted):
            job.attempt()
    assert job.state["accepted"] == [ADA_HASH]
    assert job.attempt()["accepted"] == 1
    assert len(server.mailbox) == 1


@pytest.mark.parametrize("interrupt", [Interrupted, JobCancelled, KeyboardInterrupt])
def test_an_interrupt_at_the_note_itself_costs_no_second_copy(server: LocalSmtp, interrupt: Any) -> None:
    job = Job(server, {})
    job.paper.raise_at(2, interrupt)
    with pytest.raises(interrupt):
        job.attempt()
    assert job.attempt()["accepted"] == 1
    assert len(server.mailbox) == 1


def test_what_is_kept_is_written_once_before_the_message_and_once_after_it(server: LocalSmtp) -> None:
    server.refuse_recipient(BOB, code=451, times=1)
    job = Job(server, {"to": [ADA, BOB]})
    with pytest.raises(RecipientsDeferred):
        job.attempt()
    assert [each["accepted"] for each in job.paper.written] == [[], [ADA_HASH]]
    job.attempt()
    assert [each["accepted"] for each in job.paper.written[2:]] == [[ADA_HASH, BOB_HASH]]


def test_an_attempt_that_sent_nothing_new_writes_nothing(server: LocalSmtp) -> None:
    server.drop_connection("connect", times=2)
    job = Job(server, {})
    for _ in range(2):
        with pytest.raises(ServerUnavailable):
            job.attempt()
    assert len(job.paper.written) == 1, "Message-ID and Date, before the first conversation"


def test_nothing_is_sent_when_message_id_and_date_cannot_be_kept(server: LocalSmtp) -> None:
    job = Job(server, {})
    job.paper.raise_at(1, StoreUnavailable)
    with pytest.raises(StoreUnavailable):
        job.attempt()
    assert server.connections == 0
    assert job.attempt()["accepted"] == 1


def test_a_note_that_redis_does_not_take_is_tried_again_after_the_goodbye(server: LocalSmtp) -> None:
    job = Job(server, {})
    job.paper.raise_at(2, StoreUnavailable)
    assert job.attempt()["accepted"] == 1
    assert job.state["accepted"] == [ADA_HASH]


def test_a_job_whose_mail_is_out_ends_well_though_it_could_not_be_noted(server: LocalSmtp) -> None:
    job = Job(server, {})
    job.paper.raise_at(2, StoreUnavailable, times=2)
    with structlog.testing.capture_logs() as lines:
        assert job.attempt()["accepted"] == 1
    assert lines[0]["event"] == "what was sent could not be noted"


def test_an_attempt_that_lost_its_lease_ends_at_the_note(server: LocalSmtp) -> None:
    job = Job(server, {})
    job.paper.raise_at(2, LeaseLost, times=2)
    with pytest.raises(LeaseLost):
        job.attempt()


def test_a_retry_with_nothing_left_to_do_does_not_even_connect(server: LocalSmtp) -> None:
    job = Job(server, {})
    first = job.attempt()
    assert job.attempt() == first
    assert server.connections == 1


# -- the log


def test_the_log_names_hashes_and_the_last_attempt_is_an_error(server: LocalSmtp) -> None:
    server.refuse_recipient(BOB, code=451, text=f"<{BOB}> later")
    job = Job(server, {"to": [ADA, BOB]})
    with structlog.testing.capture_logs() as lines:
        for last in (False, True):
            with pytest.raises(RecipientsDeferred):
                job.attempt(last=last)
    assert [(line["event"], line["log_level"], line["recipients"]) for line in lines] == [
        ("email deferred", "warning", [BOB_HASH]),
        ("email failed", "error", [BOB_HASH]),
    ]
    assert all("451" in line["reason"] for line in lines)
    assert "@example.org" not in str(lines)
