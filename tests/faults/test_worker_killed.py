"""Workers that are killed, stopped and rolled over under load."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.deployment import Deployment
from tests.support.ledger import Fault
from tests.support.producer import Producer
from tests.support.verdict import assert_drained, judge
from tests.support.wait import wait_until
from tests.support.workers import Fleet


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_jobs_of_killed_workers_run_again(
    deployment: Deployment, tmp_path: Path, rng: random.Random, kills: int
) -> None:
    faults: list[Fault] = []
    with Fleet(deployment, tmp_path, 2) as fleet:
        with Producer(deployment.service(), deployment.ledger, rng, ms=40, pause_s=0.03) as producer:
            for n in range(kills):
                wait_until(lambda n=n: len(deployment.ledger.ids("end")) >= (n + 1) * 40, 60, "load before the kill")
                victim = fleet.one(rng)
                wait_until(lambda v=victim: len(deployment.held_by(v.worker_id)) >= 2, 30, "the victim to hold jobs")
                faults.append(victim.kill())
            producer.stop()
        wait_until(lambda: deployment.pending() == 0, 60, lambda: f"drained: {deployment.states()}")
    verdict = judge(deployment, faults)
    assert_drained(deployment)
    assert verdict.stalled <= verdict.in_flight, "only jobs that had started with a killed worker count a stall"
    assert verdict.in_flight > 0, "no kill struck a job: the load was too light to show anything"
