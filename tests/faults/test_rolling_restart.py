"""Deploys: workers end on SIGTERM and SIGHUP without a job being lost, run twice or charged."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.support.deployment import Deployment
from tests.support.producer import Producer
from tests.support.verdict import assert_drained, judge
from tests.support.wait import wait_until
from tests.support.workers import WorkerTree


def assert_all_ran_once(deployment: Deployment) -> None:
    verdict = judge(deployment)
    assert_drained(deployment)
    assert verdict.stalled == 0, "a worker that ended in order left jobs to be recovered"
    assert verdict.stale == 0, "a finish was refused"
    wrong = {job: r.attempts for job, r in deployment.records().items() if r.attempts != 1 or r.lost}
    assert not wrong, f"going back costs no attempt, yet these have made another number than one: {wrong}"
    assert len(deployment.states()["completed"]) == verdict.acknowledged


@pytest.mark.parametrize("restarts", [3, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_rolling_restarts_run_every_job_once(
    deployment: Deployment, tmp_path: Path, rng: random.Random, restarts: int
) -> None:
    started = [WorkerTree(deployment, tmp_path / "tree-0.log").ready()]
    try:
        # Less work than one worker can do, or fifty restarts leave a backlog that takes minutes to drain.
        with Producer(deployment.service(), deployment.ledger, rng, ms=20, pause_s=0.05) as producer:
            for n in range(restarts):
                started.append(WorkerTree(deployment, tmp_path / f"tree-{n + 1}.log").ready())
                old = started[-2]
                wait_until(lambda old=old: deployment.held_by(old.worker_id), 30, "the old worker to hold jobs")
                assert old.terminate() == 0, old.output
                assert not deployment.held_by(old.worker_id), "a worker that ended in order still holds jobs"
            producer.stop()
        wait_until(lambda: deployment.pending() == 0, 60, lambda: f"drained: {deployment.states()}")
        assert len(deployment.ledger.lines("over")) == restarts
    finally:
        for tree in started:
            tree.end()
    assert_all_ran_once(deployment)


@pytest.mark.long
def test_reload_by_sighup_runs_every_job_once(deployment: Deployment, tmp_path: Path, rng: random.Random) -> None:
    with WorkerTree(deployment, tmp_path / "tree.log") as tree:
        first = tree.ready().worker_pid
        with Producer(deployment.service(), deployment.ledger, rng, ms=40, pause_s=0.03) as producer:
            wait_until(lambda: deployment.held_by(tree.worker_id), 30, "load")
            tree.signal_leader(signal.SIGHUP)
            wait_until(lambda: tree.is_ready() and tree.worker_pid != first, 60, lambda: tree.output)
            producer.stop()
        wait_until(lambda: deployment.pending() == 0, 60, lambda: f"drained: {deployment.states()}")
    assert_all_ran_once(deployment)


def test_at_sigterm_what_runs_finishes_and_what_has_not_started_goes_back(
    deployment: Deployment, tmp_path: Path
) -> None:
    with WorkerTree(deployment, tmp_path / "one.log", threads=2) as tree:
        tree.ready()
        service, ledger = deployment.service(), deployment.ledger
        service.pause_queue("work")
        ids = [f"quick-{n}" for n in range(400)] + ["long-1", "long-2"] + [f"after-{n}" for n in range(50)]
        ledger.note("attempted", ids)
        for job in ids:
            service.add_job("work", "work", {"ms": 1500 if job.startswith("long") else 0}, id=job)
        ledger.note("acknowledged", ids)
        service.resume_queue("work")
        wait_until(lambda: {"long-1", "long-2"} <= ledger.ids("start"), 30, "the long jobs to run")
        assert tree.terminate() == 0, tree.output
        service.close()
    assert {"long-1", "long-2"} <= ledger.ids("end"), "a running job was cut off"
    states = deployment.states()
    assert states["active"] == []
    assert {"long-1", "long-2"} <= set(states["completed"])
    assert sorted(states["waiting"]) == sorted(set(ids[-50:]) - ledger.ids("start"))
    assert judge(deployment).stalled == 0
    untouched = {job: deployment.records()[job] for job in states["waiting"]}
    assert all(r.attempts == r.stalls == r.lost == 0 for r in untouched.values()), "going back is free"
