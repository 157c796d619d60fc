"""The demo's own checks: quiet when all is right, and loud about each thing that is not."""

from __future__ import annotations

from dataclasses import replace
from email.message import EmailMessage
from zlib import crc32

import pytest

from callboard.records import Attempt, JobView
from demo.board import Event
from demo.checks import check_all
from demo.jobs import BACKOFF_MS, QUEUE, SENDER, Letter, Planned
from demo.mailbox import check_mailbox
from demo.play import Cast
from demo.smtp import ReceivedMail

LETTER = Letter("Hello", ("ada@example.org", "bob@example.org"), "a phrase", {"a.csv": ("text/csv", b"a,b\n1,2\n")})


def mail(letter: Letter, *recipients: str, message_id: str = "", plain: bool = True, **headers: str) -> ReceivedMail:
    """A mail that carries ``letter`` to ``recipients``, or to all of its own."""
    message = EmailMessage()
    fields = {
        "From": SENDER,
        "Subject": letter.subject,
        "Message-ID": message_id or f"<{crc32(letter.subject.encode())}@x>",
    }
    for name, value in {**fields, **headers}.items():
        message[name.replace("_", "-")] = value
    if plain:
        message.set_content(f"{letter.phrase}\n")
        message.add_alternative(f"<p>{letter.phrase}</p>", subtype="html")
    else:
        message.set_content(f"<p>{letter.phrase}</p>", subtype="html")
    for name, (kind, content) in letter.files.items():
        main, _, sub = kind.partition("/")
        message.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return ReceivedMail("callboard@example.org", recipients or letter.recipients, message.as_bytes(), tls=False)


def test_a_mailbox_with_one_copy_for_each_recipient_is_right() -> None:
    assert check_mailbox([mail(LETTER)], [LETTER]) == []


def test_recipients_may_get_their_copies_in_different_mails_of_one_message_id() -> None:
    assert check_mailbox([mail(LETTER, "ada@example.org"), mail(LETTER, "bob@example.org")], [LETTER]) == []


OTHER = Letter("Another", ("cy@example.org",), "a phrase")


@pytest.mark.parametrize(
    ("mails", "said"),
    [
        ([], "got 0 copies"),
        ([mail(LETTER), mail(LETTER, "bob@example.org")], "bob@example.org got 2 copies"),
        ([mail(LETTER, *LETTER.recipients, "eve@example.org")], "eve@example.org got it and should not"),
        ([mail(LETTER, "ada@example.org"), mail(LETTER, "bob@example.org", message_id="<2@x>")], "2 Message-IDs"),
        ([mail(LETTER), mail(OTHER)], "nobody sent a mail 'Another'"),
        ([mail(replace(LETTER, phrase="something else"))], "does not say 'a phrase'"),
        ([mail(LETTER, plain=False)], "no plain part"),
        ([mail(replace(LETTER, files={}))], "its attachments (none) are not those"),
        (
            [mail(replace(LETTER, files={"a.csv": ("text/csv", b"a,b\n1,3\n")}))],
            "its attachments (a.csv) are not those",
        ),
        ([mail(replace(LETTER, files={"a.csv": ("text/plain", b"a,b\n1,2\n")}))], "its attachments (a.csv) are not"),
        ([mail(LETTER, From="Somebody <else@example.org>")], "it is from Somebody"),
    ],
)
def test_what_is_wrong_with_a_mailbox_is_said(mails: list[ReceivedMail], said: str) -> None:
    assert said in "\n".join(check_mailbox(mails, [LETTER]))


def test_two_letters_under_one_message_id_are_wrong() -> None:
    mails = [mail(LETTER, message_id="<1@x>"), mail(OTHER, message_id="<1@x>")]
    assert "its Message-ID is also that of 'Hello'" in "\n".join(check_mailbox(mails, [LETTER, OTHER]))


# -- all checks together, on a demo that went right


class Played:
    """What the checks are given after a good run; tests then change one thing."""

    def __init__(self) -> None:
        self.cast = Cast()
        self.mails = [mail(job.letter) for job in self.cast.everybody]
        self.views = {job.job_id: view(job) for job in self.cast.everybody}
        low = [job.job_id for job in self.cast.backlog]
        self.history = [
            ("added", *low), ("active", *low[:4]), ("added", self.cast.urgent.job_id),
            ("active", self.cast.urgent.job_id, low[4]), ("active", *low[5:]),
        ]  # fmt: skip

    def problems(self) -> list[str]:
        events = [Event(0, QUEUE, kind, tuple(ids)) for kind, *ids in self.history]
        return [problem for check in check_all(self.cast, self.views, events, self.mails) for problem in check.problems]

    def change(self, job_id: str, **fields: object) -> None:
        self.views[job_id] = replace(self.views[job_id], **fields)


def view(job: Planned) -> JobView:
    """A job that ended as planned: each attempt takes 10 ms, and each wait the backoff."""
    at, attempts = int(1000 * job.options.get("delay", 0)), []
    for number in range(1, job.attempts):
        attempts.append(Attempt(number, "w", at, at + 10, "retried", "RecipientsDeferred", "(451 later)"))
        at += 10 + BACKOFF_MS * 2 ** (number - 1)
    return JobView(
        id=job.job_id, queue=job.queue, state="completed", actor=job.actor, args=(), payload={}, options={},
        priority=3, workspace="", added_ms=0, due_ms=0, started_ms=at, ended_ms=at + 10, duration_ms=10,
        attempts_made=job.attempts, stalls=0, worker="w", reason="", attempts=attempts,
    )  # fmt: skip


@pytest.fixture
def played() -> Played:
    return Played()


def test_nothing_is_wrong_when_all_went_right(played: Played) -> None:
    assert played.problems() == []


def test_a_job_that_failed_is_said_with_its_reason(played: Played) -> None:
    played.change("post-live", state="failed", reason="no email can be sent")
    assert played.problems() == ["post-live is failed: no email can be sent"]


def test_a_job_that_is_gone_is_said(played: Played) -> None:
    del played.views["reminder"]
    assert "reminder is gone" in played.problems()


def test_an_attempt_too_many_is_said(played: Played) -> None:
    played.change("post-live", attempts_made=2)
    assert played.problems() == ["post-live took 2 attempts instead of 1"]


def test_a_retry_before_its_backoff_is_said(played: Played) -> None:
    played.change("refused-once", started_ms=900)
    assert played.problems() == ["refused-once waited only 890 ms after attempt 1"]


def test_a_low_job_before_the_critical_one_is_said(played: Played) -> None:
    played.history[3] = ("active", "newsletter-05", "password-reset")
    assert played.problems() == ["newsletter-05 was waiting and started before password-reset"]


def test_an_urgent_job_with_nobody_to_overtake_shows_nothing(played: Played) -> None:
    low = [job.job_id for job in played.cast.backlog]
    played.history = [("active", *low), ("added", "password-reset"), ("active", "password-reset")]
    assert played.problems() == ["only 0 jobs were left to overtake"]


def test_a_delayed_job_that_starts_early_is_said(played: Played) -> None:
    played.change("reminder", started_ms=5_900)
    assert played.problems() == ["reminder started after 5.90 s, 6 s were asked for"]
