"""``callboard worker`` on the real engine: rolling restarts, killed processes, a stop in the middle of a backlog."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard.service import JobSpec
from tests.support.deployment import LEASE_S, SWEEP_S, Deployment
from tests.support.ledger import Fault, Line
from tests.support.process import Running, alive, callboard
from tests.support.producer import Producer
from tests.support.verdict import MARGIN_S, assert_drained, judge
from tests.support.wait import wait_until
from tests.support.workers import APP, BOOT_S, WorkerTree


@pytest.fixture
def supervisor(deployment: Deployment, tmp_path: Path) -> Iterator[Running]:
    """``callboard worker`` with two processes that are ready."""
    command = callboard("worker", "--app", APP, "--processes", "2", "--threads", "4")
    with Running(command, tmp_path / "supervisor.log", deployment.env()) as running:
        wait_for_ready(deployment, 2, running)
        yield running
    for each in deployment.ledger.lines("ready"):  # nothing that a failed test started stays
        for pid in (each.pid, each.attempt):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def wait_for_ready(deployment: Deployment, count: int, running: Running) -> list[Line]:
    """Wait for so many starts of workers in all. A line's id is the worker's, its attempt the pid of its parent."""
    wait_until(
        lambda: len(deployment.ledger.lines("ready")) >= count, BOOT_S, lambda: f"{count} starts:\n{running.output}"
    )
    return deployment.ledger.lines("ready")


def drained(deployment: Deployment) -> None:
    wait_until(lambda: deployment.pending() == 0, 60, lambda: f"drained: {deployment.states()}")


@pytest.mark.long
def test_a_rolling_restart_under_load_loses_nothing_and_runs_nothing_twice(
    deployment: Deployment, supervisor: Running, rng: random.Random
) -> None:
    old = deployment.ledger.lines("ready")
    with Producer(deployment.service(), deployment.ledger, rng, ms=10, pause_s=0.03) as producer:
        wait_until(lambda: all(deployment.held_by(each.id) for each in old), 30, "both workers to hold jobs")
        supervisor.send(signal.SIGHUP)
        new = wait_for_ready(deployment, 4, supervisor)[2:]
        wait_until(lambda: not any(alive(each.pid) for each in old), 30, "the old workers are gone")
        supervisor.wait_for("rolling restart done")
        producer.stop()
    drained(deployment)
    verdict = judge(deployment)
    assert_drained(deployment)
    assert all(alive(each.pid) for each in new)
    assert (verdict.duplicates, verdict.stalled, verdict.stale) == (0, 0, 0)
    wrong = {job: r.attempts for job, r in deployment.records().items() if r.attempts != 1}
    assert not wrong, f"attempts were spent by the restart: {wrong}"
    ran_by = {line.pid for line in deployment.ledger.lines("start")}
    assert {each.pid for each in [*old, *new]} <= ran_by, (
        "a worker ran nothing: the load was too light to show anything"
    )


def test_a_killed_process_is_replaced_alone_and_its_jobs_run_again(
    deployment: Deployment, supervisor: Running, rng: random.Random
) -> None:
    victim, neighbour = deployment.ledger.lines("ready")
    with Producer(deployment.service(), deployment.ledger, rng, ms=60, pause_s=0.03) as producer:
        wait_until(lambda: len(deployment.held_by(victim.id)) >= 2, 30, "the victim to hold jobs")
        at = time.monotonic()
        os.kill(victim.pid, signal.SIGKILL)
        wait_until(lambda: not alive(victim.pid), 10, "the victim is gone")
        fault = Fault(at, deployment.held_by(victim.id))
        new = wait_for_ready(deployment, 3, supervisor)[-1]
        producer.stop()
    drained(deployment)
    verdict = judge(deployment, [fault])
    assert_drained(deployment)
    assert fault.in_flight, "the kill struck no job: the test shows nothing"
    assert verdict.recovery_s <= LEASE_S + SWEEP_S + MARGIN_S
    assert verdict.stalled <= len(fault.in_flight), "only jobs of the killed process count a stall"
    assert alive(neighbour.pid)
    assert alive(new.pid)
    after = [line for line in deployment.ledger.lines("start") if line.pid == neighbour.pid and line.at > at]
    assert after, "the neighbour went on"
    assert len(deployment.ledger.lines("ready")) == 3, "nobody else was started again"


def test_a_stop_in_the_middle_of_a_backlog_is_prompt_and_costs_nothing(deployment: Deployment, tmp_path: Path) -> None:
    deployment.publish("work")
    ids = [f"job-{n}" for n in range(10_000)]
    service = deployment.service()
    deployment.ledger.note("attempted", ids)
    service.add_jobs("work", [JobSpec("work", id=job) for job in ids])
    deployment.ledger.note("acknowledged", ids)
    service.close()
    with WorkerTree(deployment, tmp_path / "tree.log") as tree:
        tree.ready()
        wait_until(lambda: len(deployment.ledger.ids("end")) > 100, 30, "load")
        began = time.monotonic()
        assert tree.terminate() == 0, tree.output
        took = time.monotonic() - began
    assert took < 6, f"the process took {took:.1f} s to end"
    verdict = judge(deployment)
    states, records = deployment.states(), deployment.records()
    assert states["waiting"], "all was done before the stop: the test shows nothing"
    assert states["active"] == []
    assert set(states["completed"]) == deployment.ledger.ids("start") == deployment.ledger.ids("end")
    assert (verdict.duplicates, verdict.stalled, verdict.stale) == (0, 0, 0)
    spent = [job for job in states["waiting"] if records[job].attempts or records[job].lost or records[job].stalls]
    assert not spent, "going back costs no attempt"
