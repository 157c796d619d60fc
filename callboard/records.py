"""Jobs as they are read back: the packed record's layout on Python's side, and the views that callers get.

The layout is that of ``verbs/includes/record.lua``; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgpack

from callboard.codec import decode_payload
from callboard.ids import unpack_id

#: Field names of a packed record, in order, with the value that stands for a field left out at its end.
FIELDS: tuple[tuple[str, Any], ...] = (
    ("state", b"w"), ("priority", 5), ("workspace", b""), ("added", 0), ("ready", 0), ("attempts", 0), ("stalls", 0),
    ("lost", 0), ("options", b""), ("token", b""), ("score", 0), ("started", 0), ("worker", b""), ("duration", 0),
    ("reason", b""),
)  # fmt: skip
_DEFAULTS = [default for _, default in FIELDS]
(STATE, PRIORITY, WORKSPACE, ADDED, READY, ATTEMPTS, STALLS, LOST, OPTIONS, TOKEN, SCORE, STARTED, WORKER, DURATION,
 REASON) = range(len(FIELDS))  # fmt: skip

#: State codes in a record -> the words used everywhere.
STATES = {
    b"w": "waiting", b"h": "waiting", b"d": "delayed", b"a": "active", b"b": "blocked",
    b"c": "completed", b"f": "failed", b"x": "cancelled",
}  # fmt: skip

_OUTCOMES = {
    "c": "completed", "r": "retried", "f": "failed", "x": "cancelled", "d": "deferred", "s": "stalled",
}  # fmt: skip


def unpack_record(packed: bytes) -> list[Any]:
    """All fields of a packed record, those left out at their defaults; strings as bytes."""
    record: list[Any] = msgpack.unpackb(packed, raw=True)
    if len(record) < len(_DEFAULTS):
        record += _DEFAULTS[len(record) :]
    return record


@dataclass(frozen=True, slots=True)
class Attempt:
    """One finished execution of a job. Times are ms since the epoch by Redis' clock."""

    number: int
    worker: str
    started_ms: int
    ended_ms: int
    outcome: str
    error_type: str = ""
    error_message: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class JobView:
    """One job as it stands in Redis. Times are ms since the epoch by Redis' clock, 0 where there is none."""

    id: str
    queue: str
    state: str
    actor: str
    args: tuple[Any, ...]
    payload: dict[str, Any]
    options: dict[str, Any]
    priority: int
    workspace: str
    added_ms: int
    due_ms: int
    started_ms: int
    ended_ms: int
    duration_ms: int
    attempts_made: int
    stalls: int
    worker: str
    reason: str
    attempts: list[Attempt] = field(default_factory=list)


def job_view(
    queue: str, stored_id: bytes, payload: bytes | None, packed: bytes, score: float, attempts: bytes = b""
) -> JobView:
    """The view of a stored job; a payload that cannot be decoded gives an empty actor name and no arguments."""
    record = unpack_record(packed)
    state = STATES[record[STATE]]
    try:
        actor, args, kwargs, options, _ = decode_payload(payload or b"")
    except ValueError:
        actor, args, kwargs, options = "", (), {}, {}
    ended = int(score) if state in ("completed", "failed", "cancelled") else 0
    return JobView(
        id=unpack_id(stored_id), queue=queue, state=state, actor=actor, args=args, payload=kwargs, options=options,
        priority=record[PRIORITY], workspace=_text(record[WORKSPACE]), added_ms=record[ADDED],
        due_ms=int(score) if state == "delayed" else record[READY], started_ms=record[STARTED], ended_ms=ended,
        duration_ms=record[DURATION], attempts_made=record[ATTEMPTS], stalls=record[STALLS],
        worker=_text(record[WORKER]) or _text(record[TOKEN]).rpartition(":")[0], reason=_text(record[REASON]),
        attempts=_attempts(attempts),
    )  # fmt: skip


def _attempts(packed: bytes) -> list[Attempt]:
    if not packed:
        return []
    rows = msgpack.unpackb(packed, raw=True)
    texts = [[_text(v) if isinstance(v, bytes) else v for v in row] for row in rows]
    return [Attempt(row[0], row[1], row[2], row[3], _OUTCOMES.get(row[4], row[4]), *row[5:8]) for row in texts]


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
