"""Real worker processes: ``dramatiq`` on an application of the tests, as commands that they kill, stop and restart."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.deployment import Deployment
from tests.support.ledger import Fault
from tests.support.process import ROOT, alive
from tests.support.wait import wait_until

APP = "tests.support.fault_app"

#: How long a worker process may take to be ready (seconds), on a machine that is busy.
BOOT_S = 40.0


class WorkerTree:
    """One ``dramatiq --processes 1`` tree: the leader and the worker process that it forked."""

    def __init__(
        self, deployment: Deployment, output: Path, *, threads: int = 4, url: str | None = None,
        grace_s: float = 30.0, env: Mapping[str, str] | None = None, app: str = APP,
    ) -> None:  # fmt: skip
        """Start it; :meth:`ready` waits for its worker.

        Args:
          deployment: where it works.
          output: gets what the tree prints.
          threads: worker threads.
          url: where it reaches Redis (default: directly).
          grace_s: how long running jobs may take at SIGTERM (seconds).
          env: added to its environment.
          app: the module that composes the application.
        """
        self._deployment = deployment
        self._output = output
        # The script, not `python -m dramatiq`: at SIGHUP that one executes whatever `python` is first in the PATH.
        command = [str(Path(sys.executable).with_name("dramatiq")), app, "--processes", "1", "--threads", str(threads)]
        command += ["--worker-shutdown-timeout", str(int(grace_s * 1000))]
        with output.open("ab") as file:
            self._leader = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **deployment.env(url), **(env or {})},
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        #: Id and pid of the worker process, once it is ready.
        self.worker_id = ""
        self.worker_pid = 0

    @property
    def leader_pid(self) -> int:
        """Pid of the CLI's main process."""
        return self._leader.pid

    @property
    def output(self) -> str:
        """What the tree has printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def running(self) -> bool:
        """Whether the leader runs."""
        return self._leader.poll() is None

    def is_ready(self) -> bool:
        """Whether the tree's worker has booted; notes its id and pid."""
        mine = [line for line in self._deployment.ledger.lines("ready") if line.attempt == self.leader_pid]
        if mine:
            self.worker_id, self.worker_pid = mine[-1].id, mine[-1].pid
        return bool(mine)

    def ready(self) -> Self:
        """Wait until the worker has booted."""
        wait_until(self.is_ready, BOOT_S, lambda: f"a worker that is ready; the tree printed:\n{self.output}")
        return self

    def signal_worker(self, number: signal.Signals) -> None:
        """Send a signal to the worker process alone."""
        os.kill(self.worker_pid, number)

    def signal_leader(self, number: signal.Signals) -> None:
        """Send a signal to the leader alone: it passes SIGTERM and SIGHUP on."""
        self._leader.send_signal(number)

    def kill(self) -> Fault:
        """SIGKILL the whole tree at once, and tell what Redis holds for its worker."""
        at = time.monotonic()
        self.end()
        queues = ("work", "next") if self.worker_id else ()
        held = {job for queue in queues for job in self._deployment.held_by(self.worker_id, queue)}
        return Fault(at, held, worker_died=bool(self.worker_id))

    def terminate(self, timeout_s: float = 60.0) -> int:
        """SIGTERM, and wait for the end. Returns: the exit code."""
        self.signal_leader(signal.SIGTERM)
        try:
            return self._leader.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running {timeout_s} s after SIGTERM; it printed:\n{self.output}") from None

    def end(self) -> None:
        """SIGKILL to whatever of the tree is left."""
        try:
            os.killpg(self.leader_pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._leader.wait()
        if self.worker_pid:
            wait_until(lambda: not alive(self.worker_pid), 10, "the killed worker is gone")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.end()


class Fleet:
    """So many trees, each started again when it ends, as a supervisor does it."""

    def __init__(self, deployment: Deployment, folder: Path, size: int, *, threads: int = 4,
                 url: str | None = None) -> None:  # fmt: skip
        self._deployment = deployment
        self._folder = folder
        self._size = size
        self._threads = threads
        self._url = url
        self._stopping = threading.Event()
        self.trees: list[WorkerTree] = []
        #: How many trees were started.
        self.started = 0
        #: When each tree that ended by itself was found ended (seconds on the monotonic clock).
        self.ended_at: list[float] = []
        self._keeper = threading.Thread(target=self._keep, name="fleet", daemon=True)

    def __enter__(self) -> Self:
        self.trees = [self._new() for _ in range(self._size)]
        for tree in self.trees:
            tree.ready()
        self._keeper.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopping.set()
        self._keeper.join()
        for tree in self.trees:
            tree.end()
        if error is not None:
            print(f"--- what the workers printed\n{self.output()[-6000:]}")

    def one(self, rng: random.Random) -> WorkerTree:
        """One of the trees that run, whose worker has booted: not one that was killed and is about to be replaced."""
        place = rng.randrange(self._size)

        def look() -> WorkerTree | None:
            tree = self.trees[place]
            return tree if tree.running() and tree.is_ready() else None

        found = wait_until(look, BOOT_S, lambda: f"a worker that is ready; they printed:\n{self.output()[-2000:]}")
        assert found is not None
        return found

    def output(self) -> str:
        """What all trees have printed so far."""
        files = sorted(self._folder.glob("worker-*.log"), key=lambda each: each.stat().st_mtime)
        return "".join(each.read_text(encoding="utf-8", errors="replace") for each in files)

    def _new(self) -> WorkerTree:
        self.started += 1
        output = self._folder / f"worker-{self.started}.log"
        return WorkerTree(self._deployment, output, threads=self._threads, url=self._url)

    def _keep(self) -> None:
        while not self._stopping.wait(0.05):
            for i, tree in enumerate(self.trees):
                if not tree.running():
                    self.ended_at.append(time.monotonic())
                    tree.end()  # what a leader leaves behind
                    self.trees[i] = self._new()
