"""One line a finished attempt: what came of it, how long it waited and ran, and why it failed."""

from __future__ import annotations

import logging
import time
from functools import partial

from dramatiq import Broker, Middleware, Worker
from dramatiq.broker import MessageProxy

from callboard.worker.job import Job
from middleware.logs.attempts import console_line, json_line
from middleware.logs.console import LogFormat, console_for
from middleware.logs.writer import STDERR, LineWriter


class _SaidOnce(logging.Filter):
    """Drops Dramatiq's own report of a failed attempt, an error with a traceback even when it will be retried: the
    attempt's line says it, at the level that it deserves."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep everything else."""
        return not (isinstance(record.msg, str) and record.msg.startswith("Failed to process message"))


_said_once = _SaidOnce()


class AttemptLog(Middleware):
    """Logs every finished attempt: queue, actor, job, attempt n of m, outcome, wait and run time (ms), error."""

    def __init__(self, log_format: LogFormat = "auto", writer: LineWriter = STDERR) -> None:
        self._writer = writer
        self._format: LogFormat = log_format
        self._line = json_line

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Choose the form of the lines, in the process that writes."""
        logging.getLogger("dramatiq.worker.WorkerThread").addFilter(_said_once)
        self._writer.open()
        if (console := console_for(self._format, self._writer.descriptor)) is not None:
            self._line = partial(console_line, console)

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Write what is left."""
        self._writer.close()

    def after_ack(self, broker: Broker, message: MessageProxy) -> None:
        """The attempt is over."""
        assert isinstance(message, Job)
        if not message.given_back:
            self._writer.put((self._line, time.time(), message))

    after_nack = after_ack
