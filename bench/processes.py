"""Processes that a measurement starts and stops: workers in the background, producers to their end."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import psutil

from bench.rows import BenchError

ROOT = Path(__file__).resolve().parent.parent

#: How long a producer may take to do its work (seconds).
_PRODUCE_S = 300.0


@dataclass(frozen=True, slots=True)
class Workers:
    """Running workers and the file that their output went to."""

    processes: list[subprocess.Popen[bytes]]
    output: Path

    def check(self) -> None:
        """Raises: BenchError, with the end of its output, when a worker has ended."""
        for process in self.processes:
            if process.poll() is not None:
                tail = self.output.read_text(errors="replace")[-2000:]
                raise BenchError(f"a worker ended with code {process.returncode}:\n{tail}")

    def leaves(self) -> list[psutil.Process]:
        """The processes that run jobs: children of a launcher, or the process itself when it has none."""
        found: list[psutil.Process] = []
        for process in self.processes:
            root = psutil.Process(process.pid)
            found += root.children(recursive=True) or [root]
        return found

    def rss(self) -> int:
        """Resident memory of the processes that run jobs (bytes)."""
        return sum(leaf.memory_info().rss for leaf in self.leaves())

    def cpu_seconds(self) -> float:
        """CPU time that the processes that run jobs have used."""
        times = [leaf.cpu_times() for leaf in self.leaves()]
        return sum(t.user + t.system for t in times)


def hold(process: psutil.Process, cores: Sequence[int]) -> None:
    """Keep a running process, every thread of it, on ``cores``; does nothing where the system has no such thing."""
    if hasattr(os, "sched_setaffinity"):
        for thread in process.threads():
            os.sched_setaffinity(thread.id, cores)


def prefer(pid: int, before_others: bool) -> None:
    """Let nobody take the core from a process, or everybody again; does nothing where that is not allowed."""
    if hasattr(os, "sched_setscheduler"):
        policy, priority = (os.SCHED_FIFO, 1) if before_others else (os.SCHED_OTHER, 0)
        with suppress(PermissionError):
            os.sched_setscheduler(pid, policy, os.sched_param(priority))


@contextmanager
def workers(commands: Sequence[Sequence[str]], env: Mapping[str, str]) -> Iterator[Workers]:
    """Run workers, their output in a file: reading it through a pipe would cost one of the two cores."""
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder:
        output = Path(folder) / "output"
        running: list[subprocess.Popen[bytes]] = []
        with output.open("wb") as sink:
            try:
                for command in commands:
                    # Each is in the list before the next can fail, so that it is stopped.
                    process = subprocess.Popen(command, env={**os.environ, **env}, cwd=ROOT, stdout=sink, stderr=sink)
                    running.append(process)
                yield Workers(running, output)
            finally:
                _stop(running)


#: CPU seconds of processes that ended as orphans: the system adds them to nobody that this process can ask.
_orphans_cpu_s = 0.0


def orphans_cpu_seconds() -> float:
    """CPU time of all processes of this run that ended after their launcher."""
    return _orphans_cpu_s


def _stop(running: list[subprocess.Popen[bytes]]) -> None:
    """End workers at once: their work is done, and what an orderly stop would write is not needed any more."""
    global _orphans_cpu_s
    orphans: list[psutil.Process] = []
    for process in running:
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    times = child.cpu_times()
                    child.kill()
                    _orphans_cpu_s += times.user + times.system
                    orphans.append(child)
    for process in running:
        process.wait()
    psutil.wait_procs(orphans, timeout=5.0)


def produce(command: Sequence[str], env: Mapping[str, str], **request: Any) -> dict[str, Any]:
    """Run a producer to its end and return what it printed.

    Raises: BenchError with its stderr when it failed.
    """
    done = subprocess.run(
        [*command, json.dumps(request)],
        env={**os.environ, **env}, cwd=ROOT, capture_output=True, text=True, timeout=_PRODUCE_S, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"producer {' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return cast("dict[str, Any]", json.loads(done.stdout))
