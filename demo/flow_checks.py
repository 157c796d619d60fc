"""Whether the flow went as it should: the maintenance jobs at once, the last email when all of them had ended."""

from __future__ import annotations

from demo.evidence import Evidence
from demo.play import Cast
from demo.verdict import Check


def check_flow(cast: Cast, evidence: Evidence) -> list[Check]:
    """The check of the flow."""
    last, members, problems = cast.last.job, cast.upkeep.jobs, []
    children = evidence.flow.children if evidence.flow else []
    if [child.id for child in children] != [job.job_id for job in members]:
        problems.append(f"{last.job_id} waited for {', '.join(child.id for child in children) or 'nothing'}")
    ended = [evidence.views[job.job_id].ended_ms for job in members if job.job_id in evidence.views]
    view = evidence.views.get(last.job_id)
    if view is None or not ended:
        return [Check(f"{last.job_id} followed", [*problems, f"{last.job_id}, or what it waited for, is gone"])]
    if view.started_ms < max(ended):
        problems.append(f"{last.job_id} started before the last of the jobs that it waited for had ended")
    shown = (
        f"{last.job_id} was blocked until {', '.join(job.job_id for job in members)} had ended, on another queue, and "
        f"started {view.started_ms - max(ended)} ms after the last of them"
    )
    return [Check(shown, problems)]
