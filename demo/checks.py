"""Whether everything ended as it should. Each check says what it has shown, or what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callboard.records import JobView
from demo.email_checks import check_emails
from demo.evidence import Evidence
from demo.flow_checks import check_flow
from demo.heartbeat import check_heartbeat
from demo.jobs import Planned
from demo.play import Cast
from demo.upkeep_checks import check_upkeep
from demo.verdict import Check
from demo.webhook_checks import check_webhooks


def check_all(cast: Cast, evidence: Evidence) -> list[Check]:
    """All checks."""
    return [
        _ends(cast.everybody, evidence.views),
        *check_emails(cast, evidence),
        *check_webhooks(cast, evidence),
        *check_upkeep(cast, evidence),
        *check_flow(cast, evidence),
        *check_heartbeat(evidence.schedule, list(evidence.events)),
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
