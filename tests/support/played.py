"""What the demo's checks are given after a good run; tests then change one thing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from zlib import crc32

from standardwebhooks.webhooks import Webhook

from callboard.flows.tree import FlowNode
from callboard.records import Attempt, JobView
from callboard.schedules.definition import define
from callboard.schedules.state import Schedule
from callboard.verbs.health import NotedHealth
from callboard.verbs.reports import QueueReport, Report
from callboard.verbs.telling import Event
from demo import emails, heartbeat, upkeep, webhooks
from demo.checks import check_all
from demo.emails import Letter
from demo.evidence import Evidence
from demo.jobs import Planned
from demo.play import Cast
from demo.smtp import ReceivedMail
from demo.webhook_receiver import ReceivedRequest
from demo.webhooks import HOOKS, Delivery, Registered

#: How many jobs of each queue complete before the maintenance jobs look.
DONE = {emails.QUEUE: 23, webhooks.QUEUE: 5, upkeep.QUEUE: 0}


def mail(letter: Letter, *recipients: str, message_id: str = "", plain: bool = True, **headers: str) -> ReceivedMail:
    """A mail that carries ``letter`` to ``recipients``, or to all of its own."""
    message = EmailMessage()
    fields = {
        "From": emails.SENDER,
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


def endpoints() -> list[Registered]:
    """The demo's endpoints as if they were registered."""
    return [
        Registered(hook, f"ep_{n}", tuple(f"whsec_{letter * 39}{n}" for letter in ("NO" if hook.rotated else "O")))
        for n, hook in enumerate(HOOKS)
    ]


def request(delivery: Delivery, *, seconds: int = 0, signed_by: tuple[str, ...] | None = None) -> ReceivedRequest:
    """An attempt of a delivery, ``seconds`` after now, as the library for senders signs it."""
    body = json.dumps({"type": delivery.event, "timestamp": "2030-01-01T00:00:00.000Z", "data": delivery.data})
    at = int(datetime.now(UTC).timestamp()) + seconds
    signatures = [
        Webhook(secret).sign(delivery.webhook_id, datetime.fromtimestamp(at, UTC), body)
        for secret in (delivery.to.secrets if signed_by is None else signed_by)
    ]
    headers = {
        "webhook-id": delivery.webhook_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signatures),
    }
    return ReceivedRequest("POST", delivery.to.hook.path, headers, body.encode(), float(at), 1)


class Played:
    """A good run. ``history``: the events of the emails' queue."""

    def __init__(self) -> None:
        self.cast = Cast(endpoints())
        backoffs = {emails.QUEUE: emails.BACKOFF_MS, webhooks.QUEUE: webhooks.BACKOFF_MS}
        said = {emails.QUEUE: "(451 later)", webhooks.QUEUE: "it answered 503"}
        self.evidence = Evidence(
            mails=[mail(each.letter) for each in self.cast.emails],
            requests=[request(each, seconds=n) for each in self.cast.deliveries for n in range(each.job.attempts)],
            views={
                job.job_id: view(job, backoffs.get(job.queue, 0), said.get(job.queue, ""))
                for job in self.cast.everybody
            },
            results={"clean-rehearsal": {
                "removed": {emails.QUEUE: 23, webhooks.QUEUE: 5}, "total": 28, "more": [], "dry_run": True,
            }},
            reports=[Report("queue-report", 1, [line(queue, count) for queue, count in DONE.items()])],
            health={queue: NotedHealth(queue, "healthy", [], 1, 1) for queue in DONE},
        )  # fmt: skip
        members = self.cast.upkeep.jobs
        self.change(self.cast.last.job.job_id, started_ms=12, ended_ms=22)
        self.evidence.flow = FlowNode(
            emails.QUEUE, emails.LAST, "completed", emails.ACTOR,
            children=[FlowNode(job.queue, job.job_id, "completed", job.actor) for job in members],
        )  # fmt: skip
        self.evidence.schedule = ticked(heartbeat.TICKS)
        #: When each tick of the recurring job added its job (ms), by tick (s).
        self.ticks = {tick: 1_000 * tick + 5 for tick in range(100, 100 + heartbeat.TICKS)}
        low = [each.job.job_id for each in self.cast.backlog]
        self.history = [
            ("added", *low), ("active", *low[:4]), ("added", emails.URGENT),
            ("active", emails.URGENT, low[4]), ("active", *low[5:]),
        ]  # fmt: skip

    def problems(self) -> list[str]:
        """What the checks say now."""
        events = [Event("0-0", emails.QUEUE, kind, 0, len(ids), ids) for kind, *ids in self.history]
        events += [
            Event("0-0", heartbeat.QUEUE, "added", at_ms, 1, [f"{heartbeat.SCHEDULE}:{tick}"])
            for tick, at_ms in self.ticks.items()
        ]
        evidence = replace(self.evidence, events=events)
        return [problem for check in check_all(self.cast, evidence) for problem in check.problems]

    def change(self, job_id: str, **fields: Any) -> None:
        """Change the view of a job."""
        self.evidence.views[job_id] = replace(self.evidence.views[job_id], **fields)

    def receive(self, job_id: str, *changed: ReceivedRequest) -> None:
        """Let ``changed`` be what came of a delivery."""
        delivery = self.delivery(job_id)
        others = [each for each in self.evidence.requests if not delivery.is_seen_in(each)]
        self.evidence.requests = [*others, *changed]

    def delivery(self, job_id: str) -> Delivery:
        """One of the deliveries."""
        return next(each for each in self.cast.deliveries if each.job.job_id == job_id)


def ticked(made: int, ended: str = "limit") -> Schedule:
    """The recurring job's schedule after so many ticks."""
    definition = define(heartbeat.QUEUE, heartbeat.ACTOR, every=1, limit=heartbeat.TICKS, id=heartbeat.SCHEDULE)
    return Schedule(definition, "api", 0, 0, "", made, 0, 0, "", 0, 0, False, 0, "", "", ended)


def line(queue: str, completed: int) -> QueueReport:
    """A line of a report."""
    return QueueReport(queue, False, {}, {"completed": completed}, {}, 0.1, completed, 0.0)


def view(job: Planned, backoff_ms: int, said: str) -> JobView:
    """A job that ended as planned: each attempt takes 10 ms, and each wait the backoff, or 3 s after the second."""
    at, attempts = int(1000 * job.options.get("delay", 0)), []
    for number in range(1, job.attempts):
        attempts.append(Attempt(number, "w", at, at + 10, "retried", "Later", said))
        at += 10 + max(backoff_ms * 2 ** (number - 1), 3_000 if number == 2 else 0)
    return JobView(
        id=job.job_id, queue=job.queue, state="completed", actor=job.actor, args=(), payload={}, options={},
        priority=3, workspace="", added_ms=0, due_ms=0, started_ms=at, ended_ms=at + 10, duration_ms=10,
        attempts_made=job.attempts, stalls=0, worker="w", reason="", attempts=attempts,
    )  # fmt: skip
