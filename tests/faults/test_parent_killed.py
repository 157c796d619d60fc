"""The process that started a worker is killed: the worker finishes what runs and ends by itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.support.deployment import Deployment
from tests.support.process import alive
from tests.support.wait import wait_until
from tests.support.workers import WorkerTree


def test_a_worker_without_its_parent_ends(deployment: Deployment, tmp_path: Path) -> None:
    with WorkerTree(deployment, tmp_path / "tree.log", threads=2) as tree:
        tree.ready()
        service = deployment.service()
        for n in range(6):
            service.add_job("work", "work", {"ms": 1500}, id=f"job-{n}")
        wait_until(lambda: len(deployment.ledger.ids("start")) == 2, 10, "two jobs to run")
        os.kill(tree.leader_pid, signal.SIGKILL)
        wait_until(lambda: not alive(tree.worker_pid), 20, lambda: f"the worker to end:\n{tree.output}")
        assert service.get_workers() == [], "it unregistered"
        service.close()
    states = deployment.states()
    assert set(states["completed"]) == deployment.ledger.ids("start"), "what ran was finished"
    assert states["active"] == [], "nothing waits for a lease to run out"
    assert len(states["waiting"]) == 6 - len(states["completed"])
