"""Logging of a worker process: what jobs and libraries say, in one form, with the job that it was said for."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dramatiq import Broker, Middleware, Worker
from dramatiq.broker import MessageProxy
from structlog.contextvars import clear_contextvars

from middleware.logs.console import LogFormat, console_for
from middleware.logs.setup import LogHandler, install
from middleware.logs.writer import STDERR, LineWriter


class JobLogging(Middleware):
    """Sends structlog and the standard library's logging to the process's own standard error, from the worker's boot to
    its shutdown; outside, logging is as the process set it up. A process whose logging is somebody else's leaves this
    out of its stack."""

    def __init__(self, log_format: LogFormat = "auto", level: str = "info", writer: LineWriter = STDERR) -> None:
        self._writer = writer
        self._format: LogFormat = log_format
        self._level = level
        self._undo: Callable[[], None] | None = None

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Nothing is changed at import or before the fork."""
        if any(isinstance(handler, LogHandler) for handler in logging.getLogger().handlers):
            return  # a second worker in this process: every line is written once
        self._writer.open()
        handler = LogHandler(self._writer, console_for(self._format, self._writer.descriptor))
        self._undo = install(handler, self._level)

    def after_process_message(self, broker: Broker, message: MessageProxy, **_: object) -> None:
        """What a job bound with ``structlog.contextvars`` ends with it: the thread goes on with other jobs."""
        clear_contextvars()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Write what is left."""
        if self._undo is not None:
            self._undo()
            self._undo = None
            self._writer.close()
