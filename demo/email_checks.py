"""Whether the emails went as they should: what arrived, what was retried, what overtook, what waited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callboard.records import JobView
from callboard.verbs.telling import Event
from demo.emails import BACKOFF_MS, Email
from demo.evidence import Evidence
from demo.jobs import Planned
from demo.mailbox import check_mailbox
from demo.play import Cast
from demo.smtp import ReceivedMail
from demo.verdict import Check, check_retries, waits_ms

#: The urgent job must overtake so many, or the demo has shown nothing.
_LEAST_OVERTAKEN = 4


def check_emails(cast: Cast, evidence: Evidence) -> list[Check]:
    """The checks of the emails."""
    views = evidence.views
    return [
        _mails(cast.emails, evidence.mails),
        _retries(cast.refused, views),
        _overtaking(cast.urgent.job, [each.job for each in cast.backlog], views, evidence.events),
        _delay(cast.delayed.job, views),
    ]


def _mails(emails: Sequence[Email], mails: Sequence[ReceivedMail]) -> Check:
    letters = [email.letter for email in emails]
    copies = sum(len(letter.recipients) for letter in letters)
    files = sum(len(letter.files) for letter in letters)
    shown = (
        f"{copies} recipients have one copy each; subject, text, HTML and the bytes (SHA-256) of {files} attachments "
        "are as they were sent"
    )
    return Check(shown, check_mailbox(mails, letters))


def _retries(emails: Sequence[Email], views: Mapping[str, JobView]) -> Check:
    found = [(email.job, views[email.job.job_id]) for email in emails if email.job.job_id in views]
    problems = [problem for job, view in found for problem in check_retries(view, job.attempts, BACKOFF_MS, "451")]
    waits = [f"{waited / 1000:.1f} s" for _, view in found for waited in waits_ms(view)]
    shown = (
        f"{len(emails)} emails were refused at first (451) and sent after a backoff of {', '.join(waits)}, "
        "each under one Message-ID; who had got a copy got no second one"
    )
    return Check(shown, problems)


def _overtaking(
    urgent: Planned, backlog: Sequence[Planned], views: Mapping[str, JobView], events: Sequence[Event]
) -> Check:
    """No job of the backlog starts between the urgent one's add and its start.

    The event stream has the exact order of all starts: its entries are written by the scripts that did it, one after
    the other, and a batch lists its jobs in the order in which they were taken.
    """
    history = [(event.type, job_id) for event in events if event.queue == urgent.queue for job_id in event.job_ids]
    try:
        added, started = history.index(("added", urgent.job_id)), history.index(("active", urgent.job_id))
    except ValueError:
        return Check(f"{urgent.job_id} overtook the backlog", [f"{urgent.job_id} was not added and started"])
    waited = {job.job_id for job in backlog} - {job_id for kind, job_id in history[:added] if kind == "active"}
    first = [job_id for kind, job_id in history[added:started] if kind == "active" and job_id in waited]
    problems = [f"{job_id} was waiting and started before {urgent.job_id}" for job_id in first]
    if len(waited) < _LEAST_OVERTAKEN:
        problems.append(f"only {len(waited)} jobs were left to overtake")
    view = views.get(urgent.job_id)
    wait = (view.started_ms - view.added_ms) / 1000 if view else 0.0
    shown = (
        f"{urgent.job_id} (CRITICAL) was added when {len(waited)} LOW jobs waited, and started before all of them, "
        f"{wait:.1f} s after its add"
    )
    return Check(shown, problems)


def _delay(job: Planned, views: Mapping[str, JobView]) -> Check:
    view = views.get(job.job_id)
    if view is None:
        return Check(f"{job.job_id} was delayed", [f"{job.job_id} is gone"])
    asked = job.options["delay"]
    waited = (view.started_ms - view.added_ms) / 1000
    problems = [] if waited >= asked else [f"{job.job_id} started after {waited:.2f} s, {asked:g} s were asked for"]
    return Check(f"{job.job_id} was to wait {asked:g} s and started after {waited:.2f} s", problems)
