"""What is left to see at the end, read back from where it is: the queues, the mailbox, the webhooks received."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from callboard import QueueService
from callboard.errors import CallboardError, JobFailed, JobNotFound, ResultMissing, ScheduleNotFound
from callboard.flows.tree import FlowNode
from callboard.records import JobView
from callboard.schedules.state import Schedule
from callboard.verbs.health import NotedHealth
from callboard.verbs.reports import Report
from callboard.verbs.telling import Event
from demo import heartbeat
from demo.board import Board
from demo.mailbox import files_of_letter
from demo.play import Cast
from demo.smtp import ReceivedMail
from demo.webhook_receiver import ReceivedRequest


@dataclass(slots=True)
class Evidence:
    """Everything that the table and the checks are made from."""

    mails: Sequence[ReceivedMail]
    requests: Sequence[ReceivedRequest]
    #: The jobs as they stand, by id; those that are gone are missing.
    views: dict[str, JobView] = field(default_factory=dict)
    #: What happened, by queue in exact order.
    events: Sequence[Event] = ()
    #: What the maintenance jobs returned, by job id.
    results: dict[str, Any] = field(default_factory=dict)
    reports: Sequence[Report] = ()
    #: Queue -> what the last health check found of it; None where there was none.
    health: dict[str, NotedHealth | None] = field(default_factory=dict)
    #: The flow of the maintenance jobs and the last email.
    flow: FlowNode | None = None
    schedule: Schedule | None = None


def read_back(
    service: QueueService, board: Board, cast: Cast, mails: Sequence[ReceivedMail], requests: Sequence[ReceivedRequest]
) -> Evidence:
    """Everything that can be found; nothing more of Redis once it does not answer."""
    evidence = Evidence(list(mails), list(requests))
    try:
        board.poll()
        evidence.events = board.events
        for job in cast.everybody:
            try:
                evidence.views[job.job_id] = service.get_job(job.queue, job.job_id)
            except JobNotFound:
                pass
        for job in cast.upkeep.jobs:
            try:
                evidence.results[job.job_id] = service.get_result(job.queue, job.job_id)
            except (JobNotFound, JobFailed, ResultMissing):
                pass
        try:
            evidence.flow = service.get_flow(cast.last.job.queue, cast.last.job.job_id)
        except JobNotFound:
            pass
        try:
            evidence.schedule = service.get_schedule(heartbeat.SCHEDULE)
        except ScheduleNotFound:
            pass
        evidence.reports = service.get_reports()
        evidence.health = {queue: service.get_noted_health(queue) for queue in service.catalogue}
    except CallboardError:
        pass
    return evidence


def artifacts(cast: Cast, evidence: Evidence) -> dict[str, list[str]]:
    """Job id -> the files that the job brought about, in the order of arrival."""
    found = {each.job.job_id: files_of_letter(evidence.mails, each.letter) for each in cast.emails}
    for delivery in cast.deliveries:
        found[delivery.job.job_id] = [
            str(request.file) for request in evidence.requests if request.file and delivery.is_seen_in(request)
        ]
    return found
