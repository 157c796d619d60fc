"""A standard error that nobody reads: processes are recycled and the deployment ends all the same."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from callboard.service import JobSpec
from callboard.unblocked import PIPE_BUF, write_within
from tests.support.deployment import Deployment
from tests.support.process import ROOT, alive, callboard
from tests.support.wait import wait_until
from tests.support.workers import APP, BOOT_S


@pytest.fixture
def unread() -> Iterator[int]:
    """The writing end of a pipe that is full and stays so."""
    reading, writing = os.pipe()
    while not write_within(writing, b"f" * PIPE_BUF, 0.0):
        pass
    yield writing
    os.close(reading)
    os.close(writing)


@pytest.mark.long
def test_workers_are_recycled_and_stopped_though_nobody_reads_what_they_log(
    deployment: Deployment, unread: int
) -> None:
    command = callboard("worker", "--app", APP, "--processes", "1", "--threads", "2", "--grace", "2")
    env = {**os.environ, **deployment.env(attempt_log=True), "CALLBOARD_MAX_JOBS": "20"}
    ledger = deployment.ledger
    supervisor = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=unread, stderr=unread)
    try:
        wait_until(lambda: ledger.lines("ready"), BOOT_S, "a worker")
        service = deployment.service()
        service.add_jobs("work", [JobSpec("work", {"ms": 1}) for _ in range(100)])
        service.close()
        wait_until(lambda: len(ledger.lines("ready")) >= 2, 40, "the worker to be recycled")
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(20) == 0
    finally:
        supervisor.kill()
        supervisor.wait()
        for each in ledger.lines("ready"):
            for pid in (each.pid, each.attempt):
                if alive(pid):
                    os.kill(pid, signal.SIGKILL)
