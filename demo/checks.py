"""Whether everything ended as it should. Each check says what it has shown, or what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from callboard.records import JobView
from demo.board import Event
from demo.jobs import BACKOFF_MS, Planned
from demo.mailbox import check_mailbox
from demo.play import Cast
from demo.smtp import ReceivedMail

#: The urgent job must overtake so many, or the demo has shown nothing.
_LEAST_OVERTAKEN = 4


@dataclass(slots=True)
class Check:
    """What was shown, and what speaks against it."""

    shown: str
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems


def check_all(
    cast: Cast, views: Mapping[str, JobView], events: Sequence[Event], mails: Sequence[ReceivedMail]
) -> list[Check]:
    """All checks.

    Args:
      views: the jobs as they stand now, by id.
      events: what happened, by queue in exact order.
      mails: what the mail server took.
    """
    return [
        _ends(cast.everybody, views),
        _mails(cast.everybody, mails),
        _retries(cast.refused, views),
        _overtaking(cast.urgent, cast.backlog, views, events),
        _delay(cast.delayed, views),
    ]


def _ends(jobs: Sequence[Planned], views: Mapping[str, JobView]) -> Check:
    problems = []
    for job in jobs:
        view = views.get(job.job_id)
        if view is None:
            problems.append(f"{job.job_id} is gone")
        elif view.state != "completed":
            problems.append(f"{job.job_id} is {view.state}" + (f": {view.reason}" if view.reason else ""))
        elif view.attempts_made != job.attempts:
            problems.append(f"{job.job_id} took {view.attempts_made} attempts instead of {job.attempts}")
    return Check(f"{len(jobs)} jobs completed, each after the attempts it should take", problems)


def _mails(jobs: Sequence[Planned], mails: Sequence[ReceivedMail]) -> Check:
    letters = [job.letter for job in jobs]
    copies = sum(len(letter.recipients) for letter in letters)
    files = sum(len(letter.files) for letter in letters)
    shown = (
        f"{copies} recipients have one copy each; subject, text, HTML and the bytes (SHA-256) of {files} attachments "
        "are as they were sent"
    )
    return Check(shown, check_mailbox(mails, letters))


def _retries(jobs: Sequence[Planned], views: Mapping[str, JobView]) -> Check:
    """Every wait is at least the backoff, and the error of each failed attempt is kept."""
    problems, waits = [], []
    for job in jobs:
        view = views.get(job.job_id)
        if view is None:
            continue  # the first check says so
        failed = view.attempts
        if [each.outcome for each in failed] != ["retried"] * (job.attempts - 1):
            problems.append(f"{job.job_id} has the attempts {[each.outcome for each in failed]}")
        starts = [each.started_ms for each in failed[1:]] + [view.started_ms]
        for number, (attempt, start) in enumerate(zip(failed, starts, strict=True)):
            waited = start - attempt.ended_ms
            waits.append(f"{waited / 1000:.1f} s")
            if waited < BACKOFF_MS * 2**number:
                problems.append(f"{job.job_id} waited only {waited} ms after attempt {number + 1}")
            if "451" not in attempt.error_message:
                problems.append(f"{job.job_id} does not say why attempt {number + 1} failed: {attempt.error_message!r}")
    shown = (
        f"{len(jobs)} emails were refused at first (451) and sent after a backoff of {', '.join(waits)}, "
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
    history = [(event.kind, job_id) for event in events if event.queue == urgent.queue for job_id in event.job_ids]
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
