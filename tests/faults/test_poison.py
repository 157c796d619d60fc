"""Jobs that kill their worker each time: they fail after ``max_stalls`` + 1 lost starts, their neighbours do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from callboard.service import JobSpec
from tests.support.deployment import Deployment
from tests.support.verdict import assert_nothing_leaked
from tests.support.wait import wait_until
from tests.support.workers import Fleet

NEIGHBOURS = 24


def run_with_neighbours(deployment: Deployment, folder: Path, actor: str, max_stalls: int) -> Fleet:
    """Run one ``actor`` job among well-behaved ones, and check what the rule promises."""
    ledger = deployment.ledger
    neighbours = [f"neighbour-{n}" for n in range(NEIGHBOURS)]
    with Fleet(deployment, folder, 2) as fleet:
        service = deployment.service()
        service.pause_queue("work")
        ledger.note("attempted", [*neighbours, "bad"])
        for n in range(0, NEIGHBOURS, 2):
            service.add_jobs("work", [JobSpec("steps", {"ms": 300}, id=each) for each in neighbours[n : n + 2]])
            if n == 4:
                service.add_job("work", actor, id="bad")
        ledger.note("acknowledged", [*neighbours, "bad"])
        service.resume_queue("work")
        wait_until(lambda: deployment.pending() == 0, 90, lambda: f"drained: {deployment.states()}")
        bad = service.get_job("work", "bad")
        service.close()
    assert bad.state == "failed"
    assert "starts were lost" in bad.reason, bad.reason
    assert len(ledger.starts()["bad"]) == max_stalls + 1, "a job that kills its worker starts max_stalls + 1 times"
    assert deployment.states()["failed"] == ["bad"], "a neighbour failed"
    assert sorted(deployment.states()["completed"]) == sorted(neighbours)
    records = deployment.records()
    worst = max(records[each].stalls for each in neighbours)
    print(f"{actor}: {fleet.started} trees, neighbours charged {worst} stalls at most")
    assert worst <= max_stalls
    assert deployment.totals()["added"] == NEIGHBOURS + 1
    assert_nothing_leaked(deployment)
    assert bad.attempts_made == 0, "a stall costs no attempt"
    return fleet


@pytest.mark.parametrize("actor", ["poison", pytest.param("segfault", marks=pytest.mark.long)])
def test_a_job_that_kills_its_process(deployment: Deployment, tmp_path: Path, actor: str) -> None:
    fleet = run_with_neighbours(deployment, tmp_path, actor, max_stalls=2)
    assert len(fleet.ended_at) >= 3, "each start cost a process"


def test_a_job_that_holds_the_gil_is_ended_by_the_watchdog(deployment: Deployment, tmp_path: Path) -> None:
    deployment = replace(deployment, lease_s=1.0, queue_options={"max_stalls": 1})
    fleet = run_with_neighbours(deployment, tmp_path, "hold_gil", max_stalls=1)
    assert "Timeout (0:00:04)!" in fleet.output(), "the watchdog says that it ended the process, and where it was"
    assert "in hold_gil" in fleet.output() or "fault_app.py" in fleet.output()
