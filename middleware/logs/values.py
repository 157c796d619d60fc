"""Any value as JSON of bounded size, secrets masked. A log line never fails for what it was given."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from callboard.masking import MASK, hides, mask_text

#: Characters of one field, and of all fields of a line; values in values.
FIELD_MAX, LINE_MAX, MAX_DEPTH = 8_192, 32_768, 8

#: What stands where something was cut.
CUT = "…"

#: Characters beyond a cut that are looked at, so that no secret is cut in two and shown by half.
_OVERLAP = 512

#: Integers that every JSON parser reads as integers.
_INTEGERS = range(-(2**63), 2**64)


class Room:
    """How many characters are left."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


def loggable(name: str, value: Any, room: Room) -> Any:
    """``value`` of a field as JSON: masked, cut to what is left of ``room``; what is not JSON as its ``repr``."""
    try:
        return MASK if hides(name, value) else _loggable(value, room, MAX_DEPTH)
    except Exception as error:  # noqa: BLE001  # repr and iteration are code of whoever made the value
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def cut(text: str, length: int) -> str:
    """``text`` with its secrets masked and no longer than ``length`` characters."""
    if len(text) <= length:
        return mask_text(text)
    text = mask_text(text[: length + _OVERLAP])
    return text[:length] + CUT


def cut_front(text: str, length: int) -> str:
    """The last ``length`` characters of ``text``, secrets masked: of a traceback, the part that says what happened."""
    return mask_text(text[-length - _OVERLAP :])[-length:]


def _loggable(value: Any, room: Room, depth: int) -> Any:
    room.left -= 8  # punctuation and a number's digits
    if value is None or isinstance(value, bool):
        return value
    if type(value) is int and value in _INTEGERS:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, SecretStr | SecretBytes | Secret):
        return MASK
    if isinstance(value, str):
        return _text(value, room)
    fields = _as_fields(value)
    if fields is None and not isinstance(value, list | tuple | set | frozenset):
        return _text(_told(value), room)
    if depth == 0:
        return CUT
    return _list(value, room, depth) if fields is None else _object(fields, room, depth)


def _object(fields: Mapping[Any, Any], room: Room, depth: int) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for key, each in fields.items():
        if room.left <= 0:
            shown[CUT] = f"{len(fields) - len(shown)} more"
            break
        name = _text(key if isinstance(key, str) else str(key), room)
        shown[name] = MASK if hides(name, each) else _loggable(each, room, depth - 1)
    return shown


def _list(values: Any, room: Room, depth: int) -> list[Any]:
    shown: list[Any] = []
    for each in values:
        if room.left <= 0:
            shown.append(f"{CUT} {len(values) - len(shown)} more")
            break
        shown.append(_loggable(each, room, depth - 1))
    return shown


def _text(text: str, room: Room) -> str:
    text = cut(text, max(0, room.left))
    room.left -= len(text)
    return text


def _as_fields(value: Any) -> Mapping[Any, Any] | None:
    """What has named parts, so that names can say what is secret; ``repr`` would show it."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        return dict(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return None


def _told(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return repr(bytes(value[:FIELD_MAX]))
    if isinstance(value, int):
        return hex(value)  # decimal digits of a very large one are refused
    return repr(value)
