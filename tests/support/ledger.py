"""What really happened, written through to disk: a line survives the death of the process that wrote it.

A line is ``kind id pid attempt monotonic-ns``. The monotonic clock is one for all processes of a machine.
"""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. ``at`` is in seconds on the monotonic clock."""

    kind: str
    id: str
    pid: int
    attempt: int
    at: float


class Ledger:
    """An append-only file of lines, shared by processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._pid = 0

    def note(self, kind: str, ids: str | Iterable[str], attempt: int = 0) -> None:
        """Add a line for each of ``ids`` in one write, and wait until it is on disk."""
        if self._file is None or self._pid != os.getpid():
            self._file = os.open(self.path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
            self._pid = os.getpid()
        at = time.monotonic_ns()
        each = [ids] if isinstance(ids, str) else ids
        os.write(self._file, "".join(f"{kind} {id} {self._pid} {attempt} {at}\n" for id in each).encode())
        os.fsync(self._file)

    def lines(self, *kinds: str) -> list[Line]:
        """The lines of these kinds so far, in the order of writing; all when none is named."""
        if not self.path.exists():
            return []
        found = []
        whole, _, _ = self.path.read_text(encoding="ascii").rpartition("\n")  # the rest is being written
        for text in whole.splitlines():
            kind, job, pid, attempt, at = text.split(" ")
            if not kinds or kind in kinds:
                found.append(Line(kind, job, int(pid), int(attempt), int(at) / 1e9))
        return found

    def ids(self, kind: str) -> set[str]:
        """The ids that have a line of this kind."""
        return {line.id for line in self.lines(kind)}

    def starts(self) -> dict[str, list[Line]]:
        """The starts of each job."""
        return _by_id(self.lines("start"))

    def ends(self) -> dict[str, list[Line]]:
        """The ends of each job: its actor came to its last line."""
        return _by_id(self.lines("end"))

    def extra_starts(self) -> int:
        """How many starts there were beyond one an attempt: a stall costs no attempt, so its job starts it again."""
        attempts = Counter((line.id, line.attempt) for line in self.lines("start"))
        return sum(n - 1 for n in attempts.values())


def _by_id(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found[line.id].append(line)
    return found


@dataclass(slots=True)
class Fault:
    """One fault: when it struck, the jobs that Redis held for whoever it struck, and whether a worker died of it."""

    at: float
    in_flight: set[str] = field(default_factory=set)
    worker_died: bool = False
