"""Killed at every named step of every job type, and run again: what must happen once has happened once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from callboard.steps import Step
from tests.support import step_alerts, step_email, step_upkeep, step_webhooks
from tests.support.redis_server import Server, valkey_binary
from tests.support.step_stage import Scenario, Stage, all_steps, name_of

STEPS = all_steps()

SCENARIOS: list[Scenario] = [
    *step_alerts.SCENARIOS,
    *step_email.SCENARIOS,
    *step_webhooks.SCENARIOS,
    *step_upkeep.SCENARIOS,
]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Workers, peers and a server of their own, for all tests of this file: each test has a job of its own."""
    folder = tmp_path_factory.mktemp("steps")
    with (
        Server(valkey_binary(), folder / "redis", appendonly="yes", appendfsync="always") as server,
        Stage(server.url, folder) as stage,
    ):
        yield stage


def scenario_of(step: Step) -> Scenario:
    """The scenario that kills at ``step``."""
    # By identity: members of two enumerations are equal when they have the same text.
    found = [scenario for scenario in SCENARIOS if any(each is step for each in scenario.steps)]
    assert len(found) == 1, (
        f"{name_of(step)} has {len(found)} scenarios: every step at which a job type can die needs one, "
        "in tests/support/step_*.py, that brings a job there and judges what came of it"
    )
    return found[0]


def test_there_are_steps() -> None:
    assert {type(step).__name__ for step in STEPS} >= {"EmailStep", "WebhookStep", "MaintenanceStep"}


@pytest.mark.parametrize("step", STEPS, ids=name_of)
def test_a_job_that_is_killed_at_a_step_ends_well(stage: Stage, step: Step) -> None:
    scenario = scenario_of(step)
    job_id = name_of(step).replace(".", "-").replace("_", "-").lower()
    stage.keep_workers()
    stage.kill_at(step)
    scenario.add(stage, job_id)
    stage.killed(step, scenario.queue, job_id)
    job = stage.ended(scenario.queue, job_id)
    assert job.state == "completed", f"after the kill the job {job.state}: {job.reason}"
    assert [each.outcome for each in job.attempts] == ["stalled"], "one attempt was lost"
    assert job.attempts_made == 1, "a killed process costs no attempt"
    scenario.verdict(stage, step, job)
