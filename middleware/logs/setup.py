"""structlog and the standard library's logging, through one chain to one writer; and back to what was before."""

from __future__ import annotations

import inspect
import json
import logging
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import structlog
from structlog.stdlib import ExtraAdder, ProcessorFormatter

from middleware.logs.console import Console
from middleware.logs.fields import line_fields, timestamp
from middleware.logs.messages import without_arguments
from middleware.logs.writer import LineWriter


class LogHandler(logging.Handler):
    """Hands finished lines to the writer.

    Has no lock, unlike other handlers: a job's thread can be interrupted (time limit, cancel) between taking one and
    the block that would give it back, and nobody could log any more.
    """

    def __init__(self, writer: LineWriter, console: Console | None) -> None:
        super().__init__()
        self._writer = writer
        render = _json if console is None else console.line
        self.setFormatter(
            ProcessorFormatter(
                foreign_pre_chain=[ExtraAdder()],
                processors=[
                    structlog.contextvars.merge_contextvars, line_fields, lambda _, __, line: render(line),
                ],
            )
        )  # fmt: skip

    def createLock(self) -> None:  # noqa: N802  # the standard library's name
        """No lock."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """As the base class's, without the lock."""
        wanted = bool(self.filter(record))
        if wanted:
            self.emit(record)
        return wanted

    def emit(self, record: logging.LogRecord) -> None:
        """Make the line and hand it over. One that cannot be made is reported in its place."""
        shown = without_arguments(record)
        if shown is None:
            return
        try:
            line = self.format(shown)
        except Exception as error:  # noqa: BLE001  # a line must not cost the job
            line = _json({
                "timestamp": timestamp(record.created), "level": "error", "event": "a log line could not be made",
                "logger": record.name, "line": record.levelname.lower(), "error": type(error).__name__,
            })  # fmt: skip
        self._writer.put_finished(line if line.endswith("\n") else line + "\n")


def _json(line: Mapping[str, Any]) -> str:
    # ASCII: lone surrogates survive, and a line has one length in characters and bytes.
    return json.dumps(line, separators=(",", ":"))


@cache
def _named(name: str) -> logging.Logger:
    """As ``logging.getLogger``, which takes the lock of all logging each time: see :class:`LogHandler`."""
    return logging.getLogger(name)


def _logger(*given: Any) -> logging.Logger:
    """The logger of ``structlog.get_logger(name)``; without a name that of the module that logs."""
    if given:
        return _named(str(given[0]))
    frame = inspect.currentframe()
    while (frame := frame.f_back if frame else None) is not None:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith("structlog."):
            return _named(name)
    return logging.getLogger()


def install(handler: logging.Handler, level: str) -> Callable[[], None]:
    """Let everything that is logged at ``level`` or above go to ``handler`` alone, instead of standard error.

    Handlers that write elsewhere stay.

    Returns: what brings back the state before.
    """
    root = logging.getLogger()
    number = logging.getLevelNamesMapping()[level.upper()]
    streams = (sys.stderr, sys.stdout, sys.__stderr__, sys.__stdout__)
    replaced = [h for h in root.handlers if isinstance(h, logging.StreamHandler) and h.stream in streams]
    level_before = root.level
    structlog_before = structlog.get_config() if structlog.is_configured() else None
    for each in replaced:
        root.removeHandler(each)
    root.addHandler(handler)
    root.setLevel(number)
    structlog.configure(
        processors=[ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=_logger,
        # Loggers that modules made at import keep no configuration from before.
        cache_logger_on_first_use=False,
    )

    def undo() -> None:
        root.removeHandler(handler)
        for each in replaced:
            root.addHandler(each)
        root.setLevel(level_before)
        structlog.reset_defaults()
        if structlog_before is not None:
            structlog.configure(**structlog_before)

    return undo
