"""One JSON line a finished attempt, written in batches to the process's own stderr descriptor.

Dramatiq's CLI replaces ``sys.stderr`` by a pipe to its main process, which halves throughput when every job writes a
line; descriptor 2 itself is still where the operator's logs go. Lines are formatted and written by one thread, off the
jobs' threads.
"""

from __future__ import annotations

import json
import logging
import os
import select
import stat
import threading
import time
from collections import deque
from datetime import UTC, datetime
from functools import cache

from dramatiq import Broker, Middleware, Worker
from dramatiq.broker import MessageProxy

from callboard.worker.job import Job

#: How long lines gather before they are written (seconds).
_GATHER_S = 0.05

#: A write to a pipe of at most so many bytes is not mixed with other processes' (POSIX PIPE_BUF).
_PIPE_BUF = 4096

#: Lines waiting to be written at most; beyond it they are dropped and counted in the next line.
_MAX_LINES = 200_000

_OUTCOMES = {None: "completed", "r": "retried", "d": "deferred", "f": "failed", "x": "cancelled", "b": "returned"}
_LEVELS = {"retried": "warning", "failed": "error"}

_Line = tuple[float, Job]

#: Characters of the traceback in the line of a job that failed for good.
_TRACEBACK_MAX = 4_000


class _SaidOnce(logging.Filter):
    """Drops Dramatiq's own report of a failed attempt, an error with a traceback even when it will be retried: the
    attempt's line says it, at the level that it deserves."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep everything else."""
        return not (isinstance(record.msg, str) and record.msg.startswith("Failed to process message"))


class AttemptLog(Middleware):
    """Logs every finished attempt: queue, actor, job, attempt n of m, outcome, wait and run time (ms), error."""

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor
        self._lines: deque[_Line] = deque()
        self._pending = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None
        self._dropped = 0

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the writing thread, in the process that writes."""
        logging.getLogger("dramatiq.worker.WorkerThread").addFilter(_SaidOnce())
        is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._thread = threading.Thread(target=self._write_all, args=(is_file,), name="callboard-log", daemon=True)
        self._thread.start()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Write what is left."""
        if self._thread is not None:
            self._ending = True
            self._pending.set()
            self._thread.join(5)
            self._thread = None

    def after_ack(self, broker: Broker, message: MessageProxy) -> None:
        """The attempt is over."""
        assert isinstance(message, Job)
        if message.given_back:
            return
        if len(self._lines) >= _MAX_LINES:
            self._dropped += 1
            return
        self._lines.append((time.time(), message))
        if not self._pending.is_set():
            self._pending.set()

    after_nack = after_ack

    def _write_all(self, is_file: bool) -> None:
        gather = threading.Event()
        while not (self._ending and not self._lines):
            self._pending.wait()
            if not self._ending:
                gather.wait(_GATHER_S)
            self._pending.clear()
            batch = [self._lines.popleft() for _ in range(len(self._lines))]
            lines = [format_line(*line) for line in batch]
            if self._dropped:
                lines.append(json.dumps({"level": "warning", "event": "lines dropped", "n": self._dropped}) + "\n")
                self._dropped = 0
            for chunk in _chunks(lines, 1 << 20 if is_file else _PIPE_BUF):
                _write(self._descriptor, chunk)


@cache
def _known(queue: str, actor: str) -> str:
    """The part of a line that is the same for all jobs of an actor."""
    return f'"queue":{json.dumps(queue)},"actor":{json.dumps(actor)}'


@cache
def _level(outcome: str) -> str:
    return f'"level":"{_LEVELS.get(outcome, "info")}","event":"attempt","outcome":"{outcome}"'


class _Second:
    """The timestamp of the current second, formatted once."""

    at = -1
    text = ""


def format_line(at: float, job: Job) -> str:
    """The line of an attempt that ended ``at`` (seconds since the epoch), as JSON with a line end.

    Written piece by piece: ids and outcomes need no escaping, and ``json.dumps`` of the whole would be a third of the
    cost of a no-op job.
    """
    outcome = _OUTCOMES["f" if job.outcome is None and job.failed else job.outcome]
    second = int(at)
    if second != _Second.at:
        _Second.at, _Second.text = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    line = (
        f'{{"timestamp":"{_Second.text}.{int((at - second) * 1000):03d}Z",{_level(outcome)},'
        f'{_known(job.queue_name, job.actor_name)},"job":"{job.message_id}","attempt":{job.attempt},'
        f'"of":{job.max_attempts},"wait_ms":{job.wait_ms},"run_ms":{job.duration}'
    )
    if job.workspace:
        line += f',"workspace":{json.dumps(job.workspace)}'
    if job.error is not None:
        line += f',"error":{json.dumps(job.error[0])},"message":{json.dumps(job.error[1][:500])}'
        if outcome == "failed" and job.error[2]:
            line += f',"traceback":{json.dumps(job.error[2][-_TRACEBACK_MAX:])}'
    if job.delay_ms:
        line += f',"next_in_ms":{job.delay_ms}'
    return line + "}\n"


def _chunks(lines: list[str], size: int) -> list[bytes]:
    """Lines joined into pieces of at most ``size`` bytes, a longer line alone."""
    chunks: list[bytes] = []
    current: list[bytes] = []
    length = 0
    for line in lines:
        data = line.encode()
        if current and length + len(data) > size:
            chunks.append(b"".join(current))
            current, length = [], 0
        current.append(data)
        length += len(data)
    if current:
        chunks.append(b"".join(current))
    return chunks


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it; a reader that is gone costs the lines, never the worker."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [], 1.0)
        except OSError:
            return
