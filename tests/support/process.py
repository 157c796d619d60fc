"""A command that a test runs, with its output at hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Running:
    """A command started in the project's root; killed with its whole process group at the end of the block."""

    def __init__(self, command: Sequence[str], output: Path, env: Mapping[str, str] | None = None) -> None:
        """Start it.

        Args:
          command: the command line.
          output: gets what it prints, standard error included.
          env: added to the test's own environment.
        """
        self._output = output
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait_for(self, text: str, timeout_s: float = 20.0) -> None:
        """Wait until it has printed ``text``."""
        wait_until(lambda: text in self.output, timeout_s, lambda: f"{text!r} in the output:\n{self.output}")

    def exit_code(self, timeout_s: float = 30.0) -> int:
        """Wait for its end and tell its exit code."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s:g} s; it printed:\n{self.output}") from None


def callboard(*arguments: str) -> list[str]:
    """The command line of ``callboard ARGUMENTS``."""
    return [sys.executable, "-m", "callboard", *arguments]


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has collected yet does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z" if stat.parent.parent.exists() else True
    except (FileNotFoundError, ProcessLookupError):
        return False
