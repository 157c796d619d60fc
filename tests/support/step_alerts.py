"""A notification that is killed at a step: how often was its target told?"""

from __future__ import annotations

import json

from actors.alerts.publishing import ACTOR, QUEUE
from actors.alerts.steps import AlertStep
from callboard.records import JobView
from callboard.steps import Step
from tests.support.alert_jobs import payload
from tests.support.step_stage import Scenario, Stage


def _add(stage: Stage, job_id: str) -> None:
    said = payload("steps", queue=job_id).model_dump(mode="json")
    stage.service.add_job(QUEUE, ACTOR, said, id=job_id)


def _verdict(stage: Stage, step: Step, job: JobView) -> None:
    """At least once: once, if the process died before it sent anything. Afterwards nobody knows what became of it, and
    the target is told again, in the same words."""
    title = f"[FIRING:1] WaitingJobsHigh {job.id}"
    bodies = [json.loads(request.body) for request in stage.receiver.requests if request.path == "/alerts"]
    came = [body for body in bodies if body["title"] == title]
    expected = 1 if step is AlertStep.SENDING else 2
    assert len(came) == expected, f"{expected} notifications were expected, {len(came)} came"
    assert all(body == came[0] for body in came), "the same notification in other words"


SCENARIOS = [Scenario(tuple(AlertStep), QUEUE, _add, _verdict)]
