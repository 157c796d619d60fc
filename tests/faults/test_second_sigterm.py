"""A second SIGTERM ends a worker at once, as an operator who does not want to wait expects it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.deployment import Deployment
from tests.support.process import alive
from tests.support.wait import wait_until
from tests.support.workers import WorkerTree


@pytest.mark.parametrize("apart", ["at once", "after the first was seen"])
def test_a_second_sigterm_does_not_leave_a_process_behind(deployment: Deployment, tmp_path: Path, apart: str) -> None:
    with WorkerTree(deployment, tmp_path / "tree.log", threads=2) as tree:
        tree.ready()
        tree.signal_leader(signal.SIGTERM)
        if apart != "at once":
            wait_until(lambda: "Stopping worker process" in tree.output, 10, lambda: f"a stop:\n{tree.output}")
        tree.signal_leader(signal.SIGTERM)
        wait_until(lambda: not tree.running(), 15, lambda: f"the leader's end; the tree printed:\n{tree.output}")
        wait_until(lambda: not alive(tree.worker_pid), 15, lambda: f"the worker's end; it printed:\n{tree.output}")
