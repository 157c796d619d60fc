"""What is added when: the jobs of the demo, given to the queue by name as any producer would."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from callboard import QueueService
from callboard.service import JobSpec
from demo import jobs
from demo.board import Board
from demo.jobs import Planned
from demo.smtp import LocalSmtp

#: So many of the backlog are sent before the urgent job comes.
_SENT_BEFORE = 2


@dataclass(slots=True)
class Cast:
    """The jobs of the demo by what they show, in the order of the table."""

    attached: list[Planned] = field(default_factory=jobs.with_attachments)
    refused: list[Planned] = field(default_factory=jobs.refused_at_first)
    urgent: Planned = field(default_factory=jobs.urgent)
    backlog: list[Planned] = field(default_factory=jobs.backlog)
    delayed: Planned = field(default_factory=jobs.delayed)

    @property
    def everybody(self) -> list[Planned]:
        """All of them."""
        return [*self.attached, *self.refused, self.delayed, self.urgent, *self.backlog]

    @property
    def ids(self) -> list[str]:
        """The ids of all."""
        return [job.job_id for job in self.everybody]


def play(service: QueueService, smtp: LocalSmtp, board: Board, cast: Cast) -> Iterator[None]:
    """Add the jobs, each at its time, and go on until all have ended. Yields whenever the world may go on.

    Raises: CallboardError when a job is not taken.
    """
    jobs.instruct(smtp, cast.everybody)
    _add(service, cast.delayed)
    for job in (*cast.attached, *cast.refused):
        _add(service, job)
    service.add_jobs(
        jobs.QUEUE, [JobSpec(job.actor, job.payload, id=job.job_id, options=job.options) for job in cast.backlog]
    )
    while board.count("completed", (job.job_id for job in cast.backlog)) < _SENT_BEFORE:
        yield
    _add(service, cast.urgent)
    while board.ended(cast.ids) < len(cast.ids):
        yield


def _add(service: QueueService, job: Planned) -> None:
    service.add_job(job.queue, job.actor, job.payload, id=job.job_id, **job.options)
