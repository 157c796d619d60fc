"""The fields of a log line: the same names, in the same order, whoever wrote it."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from callboard.current import running_job
from middleware.logs.values import FIELD_MAX, LINE_MAX, Room, cut, cut_front, loggable

#: Characters of an exception's message and of its traceback, in every line.
MESSAGE_MAX, TRACEBACK_MAX = 500, 4_000

_Caught = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


def line_fields(_: Any, __: str, given: MutableMapping[str, Any]) -> dict[str, Any]:
    """The line of a record (``_record``) with what was ``given`` to it; a structlog processor.

    The job's context is looked up here, when something is logged: jobs that log nothing pay nothing. Its fields cannot
    be replaced: one of the same name with another value is kept as ``given_<name>``.
    """
    record: logging.LogRecord = given.pop("_record")
    if not given.pop("_from_structlog"):
        for name in ("message", "asctime"):  # left on the record by the formatter of another handler
            given.pop(name, None)
    caught, stack = _caught(given.pop("exc_info", None)), given.pop("stack_info", None) or given.pop("stack", None)
    event = given.pop("event", "")
    line = {
        "timestamp": timestamp(record.created),
        "level": record.levelname.lower(),
        "event": cut(event if isinstance(event, str) else str(loggable("", event, Room(FIELD_MAX))), FIELD_MAX),
        "logger": record.name,
        **_context(),
    }
    own = dict(line)
    left = LINE_MAX
    for name, value in given.items():
        room = Room(min(FIELD_MAX, left))
        before, text = room.left, cut(str(name), 100)
        shown = loggable(text, value, room)
        left = max(0, left - (before - room.left))
        if text not in own:
            line[text] = shown
        elif shown != own[text]:
            line[f"given_{text}"] = shown
    if caught is not None:
        line |= {name: text for name, text in _told(caught).items() if name not in line}
    if stack:
        line["stack"] = cut_front(str(stack), TRACEBACK_MAX)
    return line


def timestamp(at: float) -> str:
    """A time (seconds since the epoch) as in every line: ISO 8601, UTC, milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _context() -> dict[str, Any]:
    """Whose line it is: the job's, or the process's."""
    job = running_job()
    if job is None:
        return {"pid": os.getpid()}
    context = {
        "queue": job.queue, "actor": job.actor, "job": job.id, "attempt": job.attempt, "of": job.max_attempts,
    }  # fmt: skip
    return {**context, "workspace": job.workspace} if job.workspace else context


def _caught(info: Any) -> _Caught | None:
    """What ``exc_info`` stands for: True, an exception, or a triple."""
    if isinstance(info, BaseException):
        return type(info), info, info.__traceback__
    if isinstance(info, tuple) and len(info) == 3:
        return info if info[0] is not None else None
    return _caught(sys.exc_info()) if info else None


def _told(caught: _Caught) -> dict[str, str]:
    kind, error, frames = caught
    try:
        message = str(error)
    except Exception:  # noqa: BLE001  # the text of an error is code of whoever wrote the error
        message = "an error whose text cannot be made"
    return {
        "error": kind.__name__ if kind is not None else "",
        "message": cut(message, MESSAGE_MAX),
        "traceback": cut_front("".join(traceback.format_exception(kind, error, frames)), TRACEBACK_MAX),
    }
