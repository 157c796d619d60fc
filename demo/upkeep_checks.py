"""Whether the maintenance jobs found what was there, and left it there."""

from __future__ import annotations

from collections import Counter
from typing import Any

from callboard.verbs.reports import QueueReport
from demo.evidence import Evidence
from demo.jobs import Planned
from demo.play import Cast
from demo.verdict import Check


def check_upkeep(cast: Cast, evidence: Evidence) -> list[Check]:
    """The checks of the maintenance jobs."""
    done = Counter(job.queue for job in cast.work)
    return [
        _report(cast.upkeep.report, done, evidence),
        _health(cast.upkeep.health, evidence),
        _clean(cast.upkeep.clean, done, evidence.results.get(cast.upkeep.clean.job_id)),
    ]


def _report(job: Planned, done: Counter[str], evidence: Evidence) -> Check:
    kept = [report for report in evidence.reports if report.id == job.job_id]
    lines = {line.queue: line for report in kept for line in report.queues}
    problems = []
    if set(lines) != set(evidence.health):
        problems.append(f"{job.job_id} has lines of {', '.join(lines) or 'no queue'}")
    for queue, count in done.items():
        if queue in lines and (found := lines[queue].last_hour["completed"]) != count:
            problems.append(f"{job.job_id} says that {found} jobs of {queue} completed instead of {count}")
    told = "; ".join(_line(lines[queue]) for queue in done if queue in lines)
    return Check(f"{job.job_id} keeps a line for each of {len(lines)} queues. {told}", problems)


def _line(line: QueueReport) -> str:
    waited = "" if line.wait_p95_s is None else f", 95 of 100 started within {line.wait_p95_s:.1f} s"
    return f"{line.queue}: {line.last_hour['completed']} completed in the last hour{waited}"


def _health(job: Planned, evidence: Evidence) -> Check:
    problems = []
    for queue, noted in evidence.health.items():
        if noted is None:
            problems.append(f"{job.job_id} noted nothing of {queue}")
        elif noted.status != "healthy":
            problems.append(f"{job.job_id} found {queue} {noted.status}: {'; '.join(noted.reasons)}")
    if not evidence.health:
        problems.append(f"{job.job_id} noted nothing")
    return Check(f"{job.job_id} noted with each of {len(evidence.health)} queues that it is healthy", problems)


def _clean(job: Planned, done: Counter[str], result: dict[str, Any] | None) -> Check:
    """That nothing was removed shows in the first check: every job is still there."""
    expected = {"removed": dict(done), "total": done.total(), "more": [], "dry_run": True}
    problems = [] if result == expected else [f"{job.job_id} returned {result} instead of {expected}"]
    told = " and ".join(f"{count} of {queue}" for queue, count in done.items())
    return Check(f"{job.job_id} (dry run) counted {done.total()} completed jobs, {told}, and removed none", problems)
