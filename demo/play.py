"""What is added when: the jobs of the demo, given to the queues as any producer would."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field

from callboard import QueueService, group, step
from callboard.flows.plan import Step
from callboard.service import JobSpec
from demo import commands, emails, heartbeat, webhooks
from demo.board import Board
from demo.emails import Email
from demo.jobs import Planned
from demo.smtp import LocalSmtp
from demo.upkeep import Upkeep
from demo.webhook_receiver import WebhookReceiver
from demo.webhooks import Delivery, Registered

#: So many of the backlog are sent before the urgent job comes.
_SENT_BEFORE = 2


@dataclass(slots=True)
class Cast:
    """The jobs of the demo by what they show, in the order of the table."""

    #: Where the webhooks go; none until they are registered.
    endpoints: list[Registered] = field(default_factory=list)
    attached: list[Email] = field(default_factory=emails.with_attachments)
    refused: list[Email] = field(default_factory=emails.refused_at_first)
    urgent: Email = field(default_factory=emails.urgent)
    backlog: list[Email] = field(default_factory=emails.backlog)
    delayed: Email = field(default_factory=emails.delayed)
    last: Email = field(default_factory=emails.last)
    by_name: list[Delivery] = field(init=False)
    fanned_out: list[Delivery] = field(init=False)
    upkeep: Upkeep = field(default_factory=Upkeep)

    def __post_init__(self) -> None:
        self.by_name = webhooks.by_name(self.endpoints) if self.endpoints else []
        self.fanned_out = webhooks.fanned_out(self.endpoints)

    @property
    def emails(self) -> list[Email]:
        """All emails."""
        return [*self._emails_before, self.last]

    @property
    def _emails_before(self) -> list[Email]:
        return [*self.attached, *self.refused, self.delayed, self.urgent, *self.backlog]

    @property
    def deliveries(self) -> list[Delivery]:
        """All webhooks."""
        return [*self.by_name, *self.fanned_out]

    @property
    def work(self) -> list[Planned]:
        """What the maintenance jobs find when they start."""
        return [*(each.job for each in self._emails_before), *(each.job for each in self.deliveries)]

    @property
    def everybody(self) -> list[Planned]:
        """All jobs."""
        return [*self.work, *self.upkeep.jobs, self.last.job]


def play(
    service: QueueService, smtp: LocalSmtp, receiver: WebhookReceiver, board: Board, cast: Cast
) -> Generator[None]:
    """Add the jobs, each at its time, and go on until all have ended. Yields whenever the world may go on.

    Raises: CallboardError when a job is not taken; CommandFailed.
    """
    emails.instruct(smtp, cast.emails)
    webhooks.instruct(receiver)
    publishing = commands.publish()
    try:
        yield from _add_work(service, board, cast)
        while not publishing.ended:
            yield
        publishing.answer()
    finally:
        publishing.stop()
    yield from _until_ended(board, cast.work)
    service.add_flow(group(*(_step(job) for job in cast.upkeep.jobs), then=_step(cast.last.job)))
    yield from _until_ended(board, [*cast.upkeep.jobs, cast.last.job])


def _add_work(service: QueueService, board: Board, cast: Cast) -> Generator[None]:
    """Add all that is added by name, the urgent email when a few of the backlog are sent."""
    heartbeat.schedule(service)
    first = [each.job for each in (cast.delayed, *cast.attached, *cast.refused)]
    for job in (*first, *(each.job for each in cast.by_name)):
        _add(service, job)
    backlog = [each.job for each in cast.backlog]
    specs = [JobSpec(job.actor, job.payload, id=job.job_id, options=job.options) for job in backlog]
    service.add_jobs(emails.QUEUE, specs)
    while board.count("completed", (job.job_id for job in backlog)) < _SENT_BEFORE:
        yield
    _add(service, cast.urgent.job)


def _until_ended(board: Board, jobs: list[Planned]) -> Generator[None]:
    ids = [job.job_id for job in jobs]
    while board.ended(ids) < len(ids):
        yield


def _step(job: Planned) -> Step:
    return step(job.queue, job.actor, job.payload, id=job.job_id, **job.options)


def _add(service: QueueService, job: Planned) -> None:
    service.add_job(job.queue, job.actor, job.payload, id=job.job_id, **job.options)
