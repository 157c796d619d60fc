"""Lines to the process's own descriptor, written in batches by one thread.

Dramatiq's CLI replaces ``sys.stderr`` by a pipe to its main process, which halves throughput when every job writes a
line; descriptor 2 itself is still where the operator's logs go. All lines of a process take this one way, so they come
out whole and in order, and whoever logs never waits for a reader.

Jobs' threads put their lines while asynchronous exceptions (time limit, cancel) may strike: the queue is a SimpleQueue,
whose put is one C call. A lock that Python code takes could stay taken for ever.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Callable, Iterable
from math import inf
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

from callboard.unblocked import PIPE_BUF, write_within

#: A finished line, or what makes it: called by the writing thread, off the jobs' threads.
Line = str | tuple[Callable[[float, Any], str], float, Any]

#: How long lines gather before they are written (seconds).
_GATHER_S = 0.05

#: How long the end may take: what the reader has not taken by then is dropped (seconds).
_CLOSE_S = 5.0

#: How often a writer that waits for its reader looks whether it is to end (seconds).
_LOOK_S = 0.25

#: How long a line of a process that an actor forked waits for the reader: nothing gathers it (seconds).
_FORKED_S = 1.0

#: Bytes of one write to a file.
_FILE_CHUNK = 1 << 20

#: Lines waiting to be written at most; beyond it they are dropped, and a line says how many. Finished ones are larger.
_MAX_LINES, _MAX_FINISHED = 200_000, 20_000

logger = logging.getLogger("callboard.logs")


class LineWriter:
    """Writes lines, each with its line end, in the order in which they are put."""

    def __init__(self, descriptor: int = 2) -> None:
        self.descriptor = descriptor
        self._lines: SimpleQueue[Line | None] = SimpleQueue()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._max_lines = self._max_finished = 0
        self._dropped = 0
        #: When writing ends, whatever is left (seconds on the monotonic clock).
        self._until = inf

    def open(self) -> None:
        """Start the writing thread, in the process that writes. Idempotent."""
        if self._thread is None:
            self._pid = os.getpid()
            self._ending.clear()
            self._until = inf
            self._max_lines, self._max_finished = _MAX_LINES, _MAX_FINISHED
            self._thread = threading.Thread(target=self._run, name="callboard-log", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what is left, within five seconds; what its reader does not take is dropped, and counted. Later lines
        are written as they are put, or dropped where they would have to wait. Idempotent."""
        if self._thread is not None:
            self._max_lines = self._max_finished = 0
            self._until = monotonic() + _CLOSE_S
            self._ending.set()
            self._lines.put(None)
            self._thread.join(_CLOSE_S + 2 * _LOOK_S)
            self._thread = None
            for line in self._gathered():  # put by threads that had looked just before
                if line is not None:
                    self._write_now(line)
            self._own_up()

    def put(self, line: Line) -> None:
        """Have a line written within a twentieth of a second."""
        if self._lines.qsize() >= self._max_lines:
            self._turn_away(line)
        else:
            self._lines.put(line)

    def put_finished(self, line: str) -> None:
        """As :meth:`put`, for a line of whatever length; also in a process that an actor forked."""
        if self._lines.qsize() >= self._max_finished or os.getpid() != self._pid:
            self._turn_away(line)
        else:
            self._lines.put(line)

    def _turn_away(self, line: Line) -> None:
        if os.getpid() != self._pid and self._pid:
            write_within(self.descriptor, finished(line).encode(errors="backslashreplace"), _FORKED_S)
        elif self._thread is None:
            self._write_now(line)
        else:
            self._dropped += 1

    def _write_now(self, line: Line) -> None:
        """Write a line if its reader takes it at once."""
        if write_within(self.descriptor, finished(line).encode(errors="backslashreplace"), 0.0):
            self._dropped += 1

    def _run(self) -> None:
        size = _FILE_CHUNK if stat.S_ISREG(os.fstat(self.descriptor).st_mode) else PIPE_BUF
        ended = False
        while not ended:
            lines = [self._lines.get()]
            self._ending.wait(_GATHER_S)
            lines += self._gathered()
            ended = None in lines
            for chunk in chunks((finished(line) for line in lines if line is not None), size):
                self._write(chunk)
            if not ended:
                self._own_up()

    def _gathered(self) -> list[Line | None]:
        """The lines that wait now."""
        found: list[Line | None] = []
        try:
            found.extend(self._lines.get_nowait() for _ in range(self._lines.qsize()))
        except Empty:  # the writing thread has overstayed the end, and takes them
            pass
        return found

    def _write(self, data: bytes) -> None:
        """Write a chunk, as soon as its reader takes it and before the end."""
        left = data
        while left and monotonic() < self._until:
            left = write_within(self.descriptor, left, _LOOK_S)
        self._dropped += left.count(b"\n")

    def _own_up(self) -> None:
        if self._dropped:
            n, self._dropped = self._dropped, 0
            logger.warning("%d log lines were dropped: their reader is too slow", n)


#: The process's own standard error: everything that logs in a worker process shares it.
STDERR = LineWriter()


def finished(line: Line) -> str:
    """The text of a line. One that cannot be made is reported in its place."""
    if isinstance(line, str):
        return line
    make, at, what = line
    try:
        return make(at, what)
    except Exception:
        logger.exception("a log line could not be made")
        return ""


def chunks(lines: Iterable[str], size: int) -> list[bytes]:
    """Lines joined into pieces of at most ``size`` bytes, a longer line alone."""
    pieces: list[bytes] = []
    current: list[bytes] = []
    length = 0
    for line in lines:
        data = line.encode(errors="backslashreplace")
        if current and length + len(data) > size:
            pieces.append(b"".join(current))
            current, length = [], 0
        current.append(data)
        length += len(data)
    if current:
        pieces.append(b"".join(current))
    return pieces
