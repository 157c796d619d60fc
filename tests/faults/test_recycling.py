"""Worker processes that end at a limit of their own: jobs go on meanwhile, and none is lost, run twice or charged."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callboard.service import JobSpec
from tests.support.deployment import Deployment
from tests.support.process import Running, alive, callboard
from tests.support.verdict import assert_drained, judge
from tests.support.wait import wait_until
from tests.support.workers import APP, BOOT_S, WorkerTree


@contextmanager
def supervised(deployment: Deployment, log: Path, *options: str, processes: int = 1, **env: str) -> Iterator[Running]:
    """``callboard worker``, ready."""
    command = callboard("worker", "--app", APP, "--processes", str(processes), "--threads", "4", *options)
    with Running(command, log, {**deployment.env(), **env}) as running:
        try:
            wait_for_ready(deployment, processes, running)
            yield running
            running.send(signal.SIGTERM)
            assert running.exit_code() == 0, running.output
        finally:
            for each in deployment.ledger.lines("ready"):  # nothing that a failed test started stays
                for pid in (each.pid, each.attempt):
                    if alive(pid):
                        os.kill(pid, signal.SIGKILL)


def wait_for_ready(deployment: Deployment, count: int, running: Running) -> None:
    ready = deployment.ledger
    wait_until(lambda: len(ready.lines("ready")) >= count, BOOT_S, lambda: f"{count} starts:\n{running.output}")


def drained(deployment: Deployment) -> None:
    wait_until(lambda: deployment.pending() == 0, 60, lambda: f"drained: {deployment.states()}")


def assert_nothing_was_charged(deployment: Deployment) -> None:
    verdict = judge(deployment)
    assert_drained(deployment)
    assert (verdict.duplicates, verdict.stalled, verdict.stale) == (0, 0, 0)
    wrong = {job: r.attempts for job, r in deployment.records().items() if r.attempts != 1}
    assert not wrong, f"attempts were spent by recycling: {wrong}"


def add(deployment: Deployment, actor: str, *payloads: dict[str, object]) -> list[str]:
    """Jobs of ``actor``. Returns their ids."""
    service = deployment.service()
    jobs = [JobSpec(actor, payload, id=f"{actor}-{n}") for n, payload in enumerate(payloads)]
    deployment.ledger.note("attempted", [job.id or "" for job in jobs])
    ids = [result.id for result in service.add_jobs("work", jobs)]
    deployment.ledger.note("acknowledged", ids)
    service.close()
    return ids


@pytest.mark.long
def test_processes_are_recycled_after_so_many_jobs_in_the_middle_of_a_backlog(
    deployment: Deployment, tmp_path: Path
) -> None:
    with supervised(deployment, tmp_path / "log", processes=2, CALLBOARD_MAX_JOBS="100") as running:
        add(deployment, "work", *[{"ms": 20}] * 1_000)
        drained(deployment)
        output = running.output
    assert_nothing_was_charged(deployment)
    limits = [int(n) for n in re.findall(r"recycling: after (\d+) jobs", output)]
    assert len(limits) >= 2, output
    assert all(90 <= limit <= 100 for limit in limits), limits
    assert len(re.findall(r"worker \d \(pid \d+\) was recycled after", output)) >= 2, output
    assert "exited unexpectedly" not in output, "the end was asked for"
    assert "ended after" not in output, "no crash was seen"


@pytest.mark.long
def test_a_job_that_runs_is_waited_for_beyond_the_grace(deployment: Deployment, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with supervised(deployment, tmp_path / "log", "--grace", "0.2", CALLBOARD_MAX_JOBS="10") as running:
        add(deployment, "gated", {"gate": str(gate)})
        wait_until(lambda: deployment.ledger.ids("start"), 10, "the long job to run")
        # Of three threads that take jobs of one length all end at once, and each takes one more before any can be told.
        short = add(deployment, "work", *[{"ms": 150 + 100 * (n % 3) + 7 * n} for n in range(20)])
        running.wait_for("recycling: after")
        wait_until(lambda: len(deployment.states()["active"]) == 1, 10, "the other jobs to have gone back or ended")
        before = deployment.ledger.ids("end")
        assert 9 <= len(before) <= 10 + 4, "it runs no further jobs"
        gate.touch()
        wait_for_ready(deployment, 2, running)
        drained(deployment)
    assert_nothing_was_charged(deployment)
    assert deployment.ledger.ids("end") == {*short, "gated-0"}


def test_processes_take_turns_so_that_one_goes_on_working(deployment: Deployment, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with supervised(deployment, tmp_path / "log", "--threads", "16", processes=2, CALLBOARD_MAX_JOBS="10") as running:
        for n in range(1, 14):
            add(deployment, "gated", *[{"gate": str(gate)}] * n)  # those that are there already stay as they are
            wait_until(lambda n=n: len(deployment.ledger.ids("start")) == n, 10, "the long job to run")
            if len({line.pid for line in deployment.ledger.lines("start")}) == 2:
                break
        short = add(deployment, "work", *[{"ms": 5}] * 100)
        running.wait_for("recycling: after")
        wait_until(lambda: set(short) <= deployment.ledger.ids("end"), 20, lambda: f"others: {running.output}")
        gate.touch()
        drained(deployment)
    assert_nothing_was_charged(deployment)


@pytest.mark.long
def test_a_process_that_grew_too_large_is_recycled(deployment: Deployment, tmp_path: Path) -> None:
    with supervised(deployment, tmp_path / "log", CALLBOARD_MAX_MEMORY_MB="250") as running:
        (old,) = deployment.ledger.lines("ready")
        add(deployment, "work", {"ms": 1}, {"ms": 1})
        add(deployment, "hoard", {"mib": 300})
        wait_for_ready(deployment, 2, running)
        assert not alive(old.pid)
        add(deployment, "steps", {"ms": 1})
        drained(deployment)
        output = running.output
    assert_nothing_was_charged(deployment)
    said = re.findall(r"recycling: (\d+) MiB resident, over 250", output)
    assert len(said) == 1, output
    assert 300 <= int(said[0]) <= 600


def test_a_limit_below_what_an_idle_process_takes_is_refused(deployment: Deployment, tmp_path: Path) -> None:
    with supervised(deployment, tmp_path / "log", CALLBOARD_MAX_MEMORY_MB="5") as running:
        running.wait_for("CALLBOARD_MAX_MEMORY_MB is 5 and does nothing: once it has booted the process has")
        add(deployment, "work", {"ms": 1})
        drained(deployment)
    assert len(deployment.ledger.lines("ready")) == 1, "it would turn in circles"


@pytest.mark.parametrize("limit", ["CALLBOARD_MAX_JOBS", "CALLBOARD_MAX_MEMORY_MB"])
def test_under_the_dramatiq_command_nothing_is_recycled_and_a_warning_says_so(
    deployment: Deployment, tmp_path: Path, limit: str
) -> None:
    deployment.publish("work")
    with WorkerTree(deployment, tmp_path / "tree.log", env={limit: "5"}) as tree:
        tree.ready()
        add(deployment, "work", *[{"ms": 1}] * 50)
        drained(deployment)
        assert tree.running()
        assert tree.output.count("do nothing here") == 1, tree.output
        assert "callboard worker" in tree.output
        assert tree.terminate() == 0, tree.output
    assert_nothing_was_charged(deployment)
