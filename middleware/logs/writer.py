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
import select
import stat
import threading
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any

#: A finished line, or what makes it: called by the writing thread, off the jobs' threads.
Line = str | tuple[Callable[[float, Any], str], float, Any]

#: How long lines gather before they are written (seconds).
_GATHER_S = 0.05

#: A write to a pipe of at most so many bytes is not mixed with other processes' (POSIX PIPE_BUF).
_PIPE_BUF = 4096

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

    def open(self) -> None:
        """Start the writing thread, in the process that writes. Idempotent."""
        if self._thread is None:
            self._pid = os.getpid()
            self._ending.clear()
            self._max_lines, self._max_finished = _MAX_LINES, _MAX_FINISHED
            self._thread = threading.Thread(target=self._run, name="callboard-log", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Write what is left; later lines are written as they are put. Idempotent."""
        if self._thread is not None:
            self._max_lines = self._max_finished = 0
            self._ending.set()
            self._lines.put(None)
            self._thread.join(5)
            self._thread = None
            while not self._lines.empty():  # put by threads that had looked just before
                if (line := self._lines.get_nowait()) is not None:
                    write(self.descriptor, finished(line).encode())

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
        if self._thread is None or os.getpid() != self._pid:
            write(self.descriptor, finished(line).encode())
        else:
            self._dropped += 1

    def _run(self) -> None:
        size = _FILE_CHUNK if stat.S_ISREG(os.fstat(self.descriptor).st_mode) else _PIPE_BUF
        ended = False
        while not ended:
            lines = [self._lines.get()]
            self._ending.wait(_GATHER_S)
            try:
                lines += [self._lines.get_nowait() for _ in range(self._lines.qsize())]
            except Empty:  # pragma: no cover  # nobody else takes lines
                pass
            ended = None in lines
            for chunk in chunks((finished(line) for line in lines if line is not None), size):
                write(self.descriptor, chunk)
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


def write(descriptor: int, data: bytes) -> None:
    """Write all of it; a reader that is gone costs the lines, never the worker."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [], 1.0)
        except OSError:
            return
