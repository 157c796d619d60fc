"""Every job of the demo, and what is to come of it."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from callboard import Priority
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

URGENT, DELAYED = "password-reset", "reminder"


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
class Planned:
    """A job to add, and how it should end: completed, after so many attempts, with a letter that arrived."""

    job_id: str
    letter: Letter
    payload: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)
    #: Recipient -> how often the mail server says "try again later" before it takes the message.
    refusals: dict[str, int] = field(default_factory=dict)
    queue: str = QUEUE
    actor: str = ACTOR

    @property
    def attempts(self) -> int:
        """Executions that it should take."""
        return 1 + max(self.refusals.values(), default=0)


def with_attachments() -> list[Planned]:
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
        Planned(
            "weekly-report", weekly,
            {
                "to": "Workspace owner <owner@example.org>", "cc": "team@example.org", "bcc": "archive@example.org",
                "template": "weekly_summary", "context": _week(weekly.phrase), "attachments": _attached(weekly),
                "unsubscribe": {"url": "https://app.example.org/unsubscribe/1"},
            },
        ),
        Planned(
            "post-live", live,
            {
                "to": "editor@example.org", "subject": live.subject, "template": "post_published",
                "context": {"post": _post(live.phrase)}, "attachments": _attached(live),
            },
        ),
    ]  # fmt: skip


def refused_at_first() -> list[Planned]:
    """Emails whose recipients the server does not take at once; one has a recipient that it does."""
    retried = {"backoff_base_ms": BACKOFF_MS}
    return [
        _notice("refused-once", "A comment waits for your reply", {"greylist@example.org": 1}, **retried),
        _notice("refused-twice", "Your export is ready", {"busy@example.org": 2}, **retried),
        _notice("one-of-two", "Your plan was changed", {"billing@example.org": 0, "full@example.org": 1}, **retried),
    ]


def delayed() -> Planned:
    """An email that is not to be sent yet."""
    return _notice(DELAYED, "Your post goes out in an hour", {"planner@example.org": 0}, delay=DELAY_S)


def backlog() -> list[Planned]:
    """Many emails that can wait."""
    low = {"priority": Priority.LOW}
    return [
        _notice(f"newsletter-{n:02}", f"Newsletter for reader {n:02}", {f"reader-{n:02}@example.org": 0}, **low)
        for n in range(1, BACKLOG + 1)
    ]


def urgent() -> Planned:
    """The email that cannot wait."""
    return _notice(URGENT, "Reset your password", {"locked-out@example.org": 0}, priority=Priority.CRITICAL)


def instruct(server: LocalSmtp, jobs: list[Planned]) -> None:
    """Tell the mail server whom to refuse at first."""
    for job in jobs:
        for address, times in job.refusals.items():
            server.refuse_recipient(address, code=451, text="4.7.1 greylisted, try again later", times=times)


def _notice(job_id: str, title: str, refusals: dict[str, int], **options: Any) -> Planned:
    phrase = f"This is job {job_id} of the demo."
    letter = Letter(title, tuple(refusals), phrase)
    payload = {"to": list(refusals), "template": "notice", "context": {"title": title, "paragraphs": [phrase]}}
    return Planned(job_id, letter, payload, options, refusals)


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
