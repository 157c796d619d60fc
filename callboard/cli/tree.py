"""One Dramatiq process tree: started, watched, told to stop, killed.

A tree is the ``dramatiq --processes 1`` process (the leader) and the worker process that it forked. It is a process
group of its own, so that a Ctrl-C in the terminal reaches the supervisor alone, and so that what a killed leader leaves
behind can still be reached.

SIGTERM goes to the leader alone: it passes it on, and a worker that gets it twice stops without finishing its jobs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass

from callboard.cli import tether
from callboard.worker.exits import FORMAT

#: The Dramatiq CLI's exit code (RET_IMPORT in dramatiq/cli.py) when the application cannot be imported.
IMPORT_FAILED = 2

#: Exit codes of the Dramatiq CLI (dramatiq/cli.py, RET_*) and ours.
_MEANINGS = {
    1: "the worker process was killed or raised while it started",
    IMPORT_FAILED: "the application could not be imported",
    3: "the broker could not be reached",
    FORMAT: "the data in Redis is of another format version",
}


@dataclass(frozen=True, slots=True)
class TreeOptions:
    """What every tree of a supervisor is started with."""

    #: The module that composes the application, as the Dramatiq CLI takes it.
    app: str
    #: Worker threads a process.
    threads: int
    #: Queues to work on; empty: every queue that has an actor.
    queues: tuple[str, ...] = ()
    #: How long running jobs may take to finish on shutdown (in seconds).
    grace_s: float = 30.0
    #: File descriptor that gets what the tree prints; None: it prints where this process does.
    output: int | None = None

    def command(self) -> list[str]:
        """The command line of one tree: Dramatiq's (see ``leader``)."""
        command = [sys.executable, "-m", "callboard.cli.leader", self.app, "--processes", "1"]
        command += ["--threads", str(self.threads), "--worker-shutdown-timeout", str(round(self.grace_s * 1000))]
        if self.queues:
            command += ["--queues", *self.queues]
        return command


def tethered(command: list[str]) -> list[str]:
    """``command``, told to end when this process is gone (see ``tether``)."""
    return [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *command]


class Tree:
    """The processes of one running tree."""

    def __init__(self, slot: int, options: TreeOptions) -> None:
        """Start the tree.

        Args:
          slot: index of the worker among its supervisor's; ``CALLBOARD_WORKER_SLOT`` in its environment.
          options: what it is started with.

        Raises: OSError if no process can be started.
        """
        self._leader = subprocess.Popen(
            tethered(options.command()),
            stdin=subprocess.DEVNULL,
            stdout=options.output,
            stderr=options.output,
            env={**os.environ, "CALLBOARD_WORKER_SLOT": str(slot)},
            process_group=0,
        )
        self._killed = False

    @property
    def pid(self) -> int:
        """Pid of the leader, which is also the id of the tree's process group."""
        return self._leader.pid

    @property
    def exit_code(self) -> int | None:
        """How the leader ended: its exit code, or the negative number of the signal that killed it; None: it runs."""
        return self._leader.poll()

    def has_processes(self) -> bool:
        """Whether any process of the tree is left, the leader or what it left behind."""
        if self._leader.poll() is None:
            return True
        self._reap_orphans()
        if self._killed:
            return False  # zombies that their new parent does not wait for must not hold up the slot
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # macOS says so of a group that has only zombies
            return False
        return True

    def terminate(self) -> None:
        """Ask the tree to finish its running jobs and end."""
        if self._leader.poll() is None:
            self._leader.send_signal(signal.SIGTERM)
        else:
            self._signal_group(signal.SIGTERM)

    def kill(self) -> None:
        """End every process of the tree now."""
        self._killed = True
        self._signal_group(signal.SIGKILL)

    def _signal_group(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass  # nobody is left

    def _reap_orphans(self) -> None:
        """Collect ended processes of the group whose leader is gone.

        They became children of this process if it is pid 1 of a container, and stay in the group as zombies until
        somebody waits for them.
        """
        try:
            while os.waitpid(-self.pid, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass  # none of them is ours


def explain(exit_code: int) -> str:
    """What the exit code of a leader says, in words."""
    if exit_code < 0:
        return f"killed by {signal.Signals(-exit_code).name}"
    if exit_code == 0:
        return "ended by itself"
    meaning = _MEANINGS.get(exit_code, "see the log above")
    return f"exit code {exit_code}: {meaning}"
