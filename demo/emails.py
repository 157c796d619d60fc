"""The emails of the demo, and what is to come of each."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from callboard import Priority
from demo.jobs import Planned
from demo.pictures import bar_chart
from demo.smtp import LocalSmtp

QUEUE, ACTOR = "email-notifications", "send_email"
SENDER = "Callboard demo <callboard@example.org>"
#: How many jobs of low priority the urgent one finds before it.
BACKLOG = 16
#: First wait before another attempt (ms); it doubles. The queue's own would be 2 s.
BACKOFF_MS = 1_000
#: How long the delayed job is put off (in seconds).
DELAY_S = 6.0

URGENT, DELAYED, LAST = "password-reset", "reminder", "all-checked"


@dataclass(frozen=True, slots=True)
class Letter:
    """An email that is to arrive: one copy for each recipient."""

    subject: str
    recipients: tuple[str, ...]
    #: Found in the plain part and in the HTML part.
    phrase: str
    #: File name -> (content type, bytes).
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Email:
    """A job that sends a letter."""

    job: Planned
    letter: Letter
    #: Recipient -> how often the mail server says "try again later" before it takes the message.
    refusals: dict[str, int] = field(default_factory=dict)


def with_attachments() -> list[Email]:
    """Two emails with files: one file for one, two files for three recipients."""
    engagements = [day * 37 % 101 for day in range(1, 31)]
    table = "date,engagements\n" + "".join(f"2026-04-{day:02},{n}\n" for day, n in enumerate(engagements, 1))
    chart = bar_chart(engagements)
    weekly = Letter(
        "Demo workspace: your week 20–26 April",
        ("owner@example.org", "team@example.org", "archive@example.org"),
        "The table and the chart are attached.",
        {"figures.csv": ("text/csv", table.encode()), "chart.png": ("image/png", chart)},
    )
    live = Letter(
        "Your post is live on Mastodon",
        ("editor@example.org",),
        "The callboard is up: see who is called, and when.",
        {"post.png": ("image/png", chart)},
    )
    return [
        _email(
            "weekly-report", weekly,
            {
                "to": "Workspace owner <owner@example.org>", "cc": "team@example.org", "bcc": "archive@example.org",
                "template": "weekly_summary", "context": _week(weekly.phrase), "attachments": _attached(weekly),
                "unsubscribe": {"url": "https://app.example.org/unsubscribe/1"},
            },
        ),
        _email(
            "post-live", live,
            {
                "to": "editor@example.org", "subject": live.subject, "template": "post_published",
                "context": {"post": _post(live.phrase)}, "attachments": _attached(live),
            },
        ),
    ]  # fmt: skip


def refused_at_first() -> list[Email]:
    """Emails whose recipients the server does not take at once; one has a recipient that it does."""
    retried = {"backoff_base_ms": BACKOFF_MS}
    return [
        _notice("refused-once", "A comment waits for your reply", {"greylist@example.org": 1}, **retried),
        _notice("refused-twice", "Your export is ready", {"busy@example.org": 2}, **retried),
        _notice("one-of-two", "Your plan was changed", {"billing@example.org": 0, "full@example.org": 1}, **retried),
    ]


def delayed() -> Email:
    """An email that is not to be sent yet."""
    return _notice(DELAYED, "Your post goes out in an hour", {"planner@example.org": 0}, delay=DELAY_S)


def backlog() -> list[Email]:
    """Many emails that can wait."""
    low = {"priority": Priority.LOW}
    return [
        _notice(f"newsletter-{n:02}", f"Newsletter for reader {n:02}", {f"reader-{n:02}@example.org": 0}, **low)
        for n in range(1, BACKLOG + 1)
    ]


def urgent() -> Email:
    """The email that cannot wait."""
    return _notice(URGENT, "Reset your password", {"locked-out@example.org": 0}, priority=Priority.CRITICAL)


def last() -> Email:
    """The email that is sent when the maintenance jobs have ended."""
    return _notice(LAST, "Everything was checked", {"operator@example.org": 0})


def instruct(server: LocalSmtp, emails: list[Email]) -> None:
    """Tell the mail server whom to refuse at first."""
    for email in emails:
        for address, times in email.refusals.items():
            server.refuse_recipient(address, code=451, text="4.7.1 greylisted, try again later", times=times)


def _email(job_id: str, letter: Letter, payload: dict[str, Any]) -> Email:
    return Email(Planned(job_id, QUEUE, ACTOR, payload), letter)


def _notice(job_id: str, title: str, refusals: dict[str, int], **options: Any) -> Email:
    phrase = f"This is job {job_id} of the demo."
    letter = Letter(title, tuple(refusals), phrase)
    payload = {"to": list(refusals), "template": "notice", "context": {"title": title, "paragraphs": [phrase]}}
    attempts = 1 + max(refusals.values())
    return Email(Planned(job_id, QUEUE, ACTOR, payload, options, attempts), letter, refusals)


def _attached(letter: Letter) -> list[dict[str, str]]:
    return [
        {"filename": name, "content_type": kind, "content_base64": base64.b64encode(content).decode()}
        for name, (kind, content) in letter.files.items()
    ]


def _week(note: str) -> dict[str, Any]:
    return {
        "workspace_name": "Demo workspace",
        "period": "20–26 April",
        "note": note,
        "figures": [{"label": "Posts", "value": "11", "change": 10}, {"label": "Engagements", "value": "1,503"}],
        "top_posts": [],
        "dashboard_url": "https://app.example.org/dashboard",
    }


def _post(text: str) -> dict[str, str]:
    return {
        "text": text,
        "platform": "Mastodon",
        "account": "@callboard",
        "url": "https://social.example.org/@callboard/1",
        "published_at": "20 April 2026, 09:00",
    }
