"""Jobs as they are read back: the packed record's layout on Python's side, and the views that callers get.

The layout is that of ``verbs/includes/record.lua``; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import Struct
from typing import Any, NamedTuple

from callboard.codec import decode_payload
from callboard.ids import unpack_id
from callboard.packing import unpack

#: state, priority, added (ms), length of the workspace
_HEAD = Struct(">cHQB")

#: ready (ms), attempts, stalls, lost, score, started (ms), duration (ms), number, worker, length of the options
_REST = Struct(">QHHHQQIQ12sI")
_BLANK = (0, 0, 0, 0, 0, 0, 0, 0, b"", 0)

#: State codes in a record -> the words used everywhere.
STATES = {
    b"w": "waiting", b"h": "waiting", b"d": "delayed", b"a": "active", b"b": "blocked",
    b"c": "completed", b"f": "failed", b"x": "cancelled",
}  # fmt: skip

_OUTCOMES = {
    "c": "completed", "r": "retried", "f": "failed", "x": "cancelled", "d": "deferred", "s": "stalled",
}  # fmt: skip


class Record(NamedTuple):
    """The fields of a packed record. Times are ms since the epoch by Redis' clock; 0 where there is none."""

    state: bytes
    priority: int
    workspace: bytes
    added: int
    ready: int
    attempts: int
    stalls: int
    lost: int
    score: int
    started: int
    duration: int
    number: int
    worker: bytes
    options: bytes
    reason: bytes


def unpack_head(packed: bytes) -> tuple[int, int, bytes, bool]:
    """(priority, added ms, workspace, whether there is more) of a packed record: all that most waiting jobs have."""
    _, priority, added, length = _HEAD.unpack_from(packed)
    at = _HEAD.size + length
    return priority, added, packed[_HEAD.size : at], len(packed) > at


def unpack_record(packed: bytes) -> Record:
    """The fields of a packed record."""
    state, priority, added, length = _HEAD.unpack_from(packed)
    at = _HEAD.size + length
    workspace = packed[_HEAD.size : at]
    if len(packed) == at:
        return Record(state, priority, workspace, added, *_BLANK[:9], b"", b"")
    ready, attempts, stalls, lost, score, started, duration, number, worker, options = _REST.unpack_from(packed, at)
    at += _REST.size
    return Record(
        state, priority, workspace, added, ready, attempts, stalls, lost, score, started, duration, number, worker,
        packed[at : at + options], packed[at + options :],
    )  # fmt: skip


def pack_record(record: Record) -> bytes:
    """The packed record of ``record``, as ``record.lua`` writes it of a job that was due, fetched or changed."""
    head = _HEAD.pack(record.state, record.priority, record.added, len(record.workspace))
    rest = _REST.pack(*record[4:13], len(record.options))
    return head + record.workspace + rest + record.options + record.reason


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
    state = STATES[record.state]
    try:
        actor, args, kwargs, options, _ = decode_payload(payload or b"")
    except ValueError:
        actor, args, kwargs, options = "", (), {}, {}
    ended = int(score) if state in ("completed", "failed", "cancelled") else 0
    return JobView(
        id=unpack_id(stored_id.decode()), queue=queue, state=state, actor=actor, args=args, payload=kwargs,
        options=options, priority=record.priority, workspace=_text(record.workspace), added_ms=record.added,
        due_ms=int(score) if state == "delayed" else record.ready, started_ms=record.started, ended_ms=ended,
        duration_ms=record.duration, attempts_made=record.attempts, stalls=record.stalls,
        worker=_text(record.worker.strip(b"\0")), reason=_text(record.reason),
        attempts=_attempts(attempts),
    )  # fmt: skip


def _attempts(packed: bytes) -> list[Attempt]:
    if not packed:
        return []
    rows = unpack(packed)
    texts: list[list[Any]] = [[_text(v) if isinstance(v, bytes) else v for v in row] for row in rows]
    return [Attempt(row[0], row[1], row[2], row[3], _OUTCOMES.get(row[4], row[4]), *row[5:8]) for row in texts]


def last_error(packed: bytes, reason: str) -> tuple[str, str]:
    """(type, message) of the error that failed a job, from its attempts and the reason it failed for."""
    last = _attempts(packed)[-1:]
    if last and last[0].outcome == "failed":
        return last[0].error_type or "Exception", last[0].error_message
    return (last[0].error_type if last and last[0].outcome == "stalled" else "") or "Exception", reason


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
