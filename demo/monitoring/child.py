"""One program that runs: started, looked at, told to end."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from callboard.cli.tree import tethered
from demo.monitoring.programs import Program

#: So much of a log is shown of a program that ended by itself (lines).
_LAST_LINES = 15


class Child:
    """A program as a child of this process: a process group of its own, so that Ctrl-C reaches this process alone."""

    def __init__(self, program: Program, log: Path) -> None:
        """Start it, from the main thread; ``log`` gets what it prints.

        Raises: OSError if no process can be started.
        """
        self.program = program
        self.log = log
        with log.open("ab") as file:
            self._process = subprocess.Popen(
                tethered(list(program.command)),
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env={**os.environ, **program.env}, process_group=0,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """Its pid, which is also the id of its process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._process.poll()

    def ready(self) -> bool:
        """Whether it does its work; takes at most about a second."""
        return self.program.ready()

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it now, with what it started in its group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # nobody is left

    def last_words(self) -> str:
        """The end of its log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-_LAST_LINES:])
