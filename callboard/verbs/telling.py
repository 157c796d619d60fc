"""What running jobs say of themselves (progress, log, checkpoints), and what queues say (events, history)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from callboard.door import check_within
from callboard.errors import InvalidOption, JobNotFound, PayloadTooLarge, WrongState
from callboard.ids import check_id, pack_id, unpack_id
from callboard.packing import unpack
from callboard.store.store import Store

#: Lines kept of a job's log, and bytes of a line.
LOG_LINES, LOG_LINE_BYTES = 200, 2_000

#: Bytes that a job's progress, and all of its checkpoints, may take.
PROGRESS_BYTES, CHECKPOINT_BYTES = 4_096, 64 * 1024

#: What is counted in minute buckets.
COUNTED = (
    "added", "completed", "failed", "cancelled", "retried", "deferred", "stalled", "removed", "drained", "cleaned",
)  # fmt: skip

MAX_MINUTES = 1_440

#: Events that one call reads.
MAX_EVENTS = 1_000

_EVENT_ID = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")


@dataclass(frozen=True, slots=True)
class Holder:
    """The attempt that speaks: the job's stored id, its worker, and the number of the fetch that got it."""

    queue: str
    stored_id: str
    worker: str
    number: int


@dataclass(frozen=True, slots=True)
class JobDetails:
    """What a job has said of itself: log lines as (ms since the epoch, text), progress, checkpoints by name."""

    log: list[tuple[int, str]] = field(default_factory=list)
    progress: Any = None
    checkpoints: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a queue's event stream: ``type`` happened to ``count`` jobs. ``id`` continues the reading.

    ``detail`` says more where the event is about the queue itself (``queue_health_changed``).
    """

    id: str
    queue: str
    type: str
    at_ms: int
    count: int
    job_ids: list[str]
    detail: dict[str, Any] = field(default_factory=dict)


def _tell(store: Store, verb: str, holder: Holder, *args: Any) -> None:
    code = store.call(verb, holder.queue, (holder.stored_id, holder.worker, holder.number, *args))
    job_id = unpack_id(holder.stored_id)
    if code == -1:
        raise JobNotFound(f"job {job_id!r} is gone")
    if code == -2:
        raise WrongState(f"job {job_id!r} belongs to another attempt by now", "")
    if code == -3:
        raise PayloadTooLarge(f"the checkpoints of a job may take {CHECKPOINT_BYTES} bytes together")


def tell_progress(store: Store, holder: Holder, value: Any) -> None:
    """Set the job's progress: a number or an object. Raises: WrongState when another attempt holds the job."""
    if isinstance(value, bool) or not isinstance(value, int | float | dict):
        raise InvalidOption(f"progress is a number or an object, not {type(value).__name__}")
    encoded = _encoded(value, "progress")
    if len(encoded) > PROGRESS_BYTES:
        raise PayloadTooLarge(f"progress takes {len(encoded)} bytes; {PROGRESS_BYTES} are allowed")
    _tell(store, "progress", holder, encoded, store.settings.events_max)


def tell_line(store: Store, holder: Holder, line: str) -> None:
    """Add a line to the job's log; longer lines are cut. Raises: WrongState when another attempt holds the job."""
    cut = line.encode("utf-8", "replace")[:LOG_LINE_BYTES].decode("utf-8", "ignore")
    _tell(store, "log", holder, cut, LOG_LINES)


def tell_checkpoint(store: Store, holder: Holder, name: str, value: Any) -> None:
    """Note under ``name`` what has been done already. Raises: WrongState when another attempt holds the job."""
    _tell(store, "checkpoint", holder, name, _encoded(value, f"checkpoint {name!r}"), CHECKPOINT_BYTES)


def _encoded(value: Any, what: str) -> str:
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidOption(f"{what} is not JSON: {error}") from error


def details(store: Store, queue: str, job_id: str) -> JobDetails:
    """What a job has said of itself; nothing when it has not, or is gone."""
    log, progress, checkpoints = store.call("details", queue, (pack_id(check_id(job_id)),))
    lines = [(row[0], row[1].decode(errors="replace")) for row in unpack(log)] if log else []
    named = {name.decode(): json.loads(value) for name, value in unpack(checkpoints).items()} if checkpoints else {}
    return JobDetails(lines, json.loads(progress) if progress else None, named)


def events(store: Store, queue: str, after: str = "0", limit: int = 100) -> list[Event]:
    """Events of a queue after id ``after`` ("0": the oldest kept), oldest first.

    Raises: InvalidOption when ``after`` is not an id of an event, or the limit is outside 1…1000.
    """
    if not _EVENT_ID.fullmatch(after):
        raise InvalidOption(f"{after!r} is not the id of an event")
    check_within("limit", limit, 1, MAX_EVENTS)
    found = []
    for entry_id, flat in store.call("events", queue, ("-" if after == "0" else f"({after}", limit)):
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        ids = [unpack_id(stored) for stored in fields[b"ids"].decode().split(",") if stored]
        event_id = entry_id.decode()
        kind, count = fields[b"type"].decode(), int(fields[b"n"])
        detail = json.loads(fields.get(b"detail", b"{}"))
        found.append(Event(event_id, queue, kind, int(event_id.split("-")[0]), count, ids, detail))
    return found


def history(
    store: Store, queue: str, minutes: int = 60, what: Sequence[str] = COUNTED
) -> dict[str, list[tuple[int, int]]]:
    """Counts a minute over the last ``minutes`` (1…1440): what -> [(start of the minute in ms, count), …].

    Raises: InvalidOption when ``minutes`` is out of range or ``what`` is not counted.
    """
    check_within("minutes", minutes, 1, MAX_MINUTES)
    if unknown := set(what) - set(COUNTED):
        raise InvalidOption(f"not counted: {', '.join(sorted(unknown))}; these are: {', '.join(COUNTED)}")
    first, counts = store.call("history", queue, (minutes, *what))
    series: dict[str, list[tuple[int, int]]] = {name: [] for name in what}
    for i, number in enumerate(counts):
        series[what[i % len(what)]].append(((first + i // len(what)) * 60_000, number))
    return series
