"""Lines for people: local time, what it is, whose it is, what is said. Colours only on a terminal."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

LogFormat = Literal["auto", "json", "console"]

_RED, _GREEN, _YELLOW, _DIM = "31", "32", "33", "2"
_COLOURS = {
    "completed": _GREEN, "retried": _YELLOW, "failed": _RED,
    "debug": _DIM, "warning": _YELLOW, "error": _RED, "critical": _RED,
}  # fmt: skip

#: Fields that have their own place in a line.
_PLACED = frozenset({
    "timestamp", "level", "event", "logger", "pid", "queue", "actor", "job", "attempt", "of", "message", "error",
    "traceback", "stack",
})  # fmt: skip


class Console:
    """How lines look on a terminal, or in a file that people read."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def line(self, fields: Mapping[str, Any]) -> str:
        """The line of fields (``fields.line_fields``), with its line end."""
        has_job = "job" in fields
        told = [printable(fields["event"])]
        told += [f"{printable(name)}={_value(each)}" for name, each in fields.items() if name not in _PLACED]
        if has_job:
            told.append(self._dim(f"logger={printable(fields['logger'])}"))
        if "error" in fields:
            of_exception = "traceback" in fields and "message" in fields
            told.append(printable(f"{fields['error']}: {fields['message']}") if of_exception else _rest(fields))
        elif "message" in fields:
            told.append(_rest(fields))
        who = self.who(fields) if has_job else self._dim(printable(fields["logger"]))
        at = datetime.fromisoformat(fields["timestamp"]).timestamp()
        return self.row(at, fields["level"], who, told, fields.get("traceback") or fields.get("stack") or "")

    def row(self, at: float, word: str, who: str, told: list[str], below: str = "") -> str:
        """One line: ``at`` (seconds since the epoch), a word of its own colour, and what is told.

        ``below`` it, indented, text of several lines.
        """
        clock = datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
        shown = f"{word:<10}"
        if self._colours and (colour := _COLOURS.get(word)):
            shown = f"\x1b[{colour}m{shown}\x1b[0m"
        text = f"{self._dim(f'{clock}.{int(at * 1000) % 1000:03d}')} {shown} {who}  {'  '.join(told)}"
        if below:
            text += "\n" + printable(below.rstrip("\n"))
        return text.replace("\n", "\n    ") + "\n"

    @staticmethod
    def who(fields: Mapping[str, Any]) -> str:
        """Whose line it is: queue, actor, job, attempt n/m."""
        names = printable(f"{fields['queue']} {fields['actor']} {fields['job']}")
        return f"{names} attempt {fields['attempt']}/{fields['of']}"

    def _dim(self, text: str) -> str:
        return f"\x1b[{_DIM}m{text}\x1b[0m" if self._colours else text


def console_for(log_format: LogFormat, descriptor: int) -> Console | None:
    """The console that ``log_format`` asks for on ``descriptor``; None: JSON. https://no-color.org is heeded."""
    on_terminal = os.isatty(descriptor)
    if log_format == "json" or (log_format == "auto" and not on_terminal):
        return None
    return Console(colours=on_terminal and not os.environ.get("NO_COLOR"))


def printable(text: str) -> str:
    """``text`` without what a terminal would obey: what is logged comes from anywhere."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def _rest(fields: Mapping[str, Any]) -> str:
    return "  ".join(f"{name}={_value(fields[name])}" for name in ("error", "message") if name in fields)


def _value(value: Any) -> str:
    if isinstance(value, str) and value and value.isprintable() and not set(value) & set(' "='):
        return value
    return printable(json.dumps(value, ensure_ascii=False))
