"""beat, unregister, workers, publish, actors: the worker processes of a deployment and what they can run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from callboard.errors import FormatMismatch
from callboard.packing import pack, unpack_text
from callboard.store.store import Call, Store

#: Version of the layout of all data in Redis. Raised when an older version could no longer read it.
FORMAT = 1

#: Records of workers silent for longer than this are dropped (ms).
FORGET_AFTER_MS = 10 * 60 * 1000

#: A published actor that no worker has said for this long may be replaced by one with a lower payload version (ms).
#: Workers say theirs every ten beats, which may be 100 s apart.
SAID_FOR_MS = 5 * 60 * 1000


@dataclass(slots=True)
class WorkerRecord:
    """One worker process, as it describes itself. ``slot``: its place in a supervisor; times in ms since the epoch."""

    id: str
    host: str
    pid: int
    slot: int
    queues: list[str]
    threads: int
    busy: int
    version: str
    started_ms: int
    metrics_address: str = ""
    beat_ms: int = field(default=0)


_FIELDS = frozenset(each.name for each in fields(WorkerRecord))


def beat(store: Store, record: WorkerRecord, *, changed: bool, look: bool) -> bool:
    """Say that the process lives. Returns True when it looked and Redis did not have its record."""
    packed = pack(asdict(record)) if changed else b""
    _, missing = store.call("beat", "", (record.id, packed, FORGET_AFTER_MS if look else 0))
    return bool(missing == 1)


def unregister(store: Store, worker_id: str) -> None:
    """The process ended in order: its record goes."""
    store.call("unregister", "", (worker_id,))


def workers(store: Store) -> list[WorkerRecord]:
    """All worker processes that were heard of within the last ten minutes, ``beat_ms`` being when."""
    return workers_seen(store.call(*workers_call()))[1]


def workers_call() -> Call:
    """The call that asks for the worker processes."""
    return "workers", "", ()


def workers_seen(reply: Any) -> tuple[int, list[WorkerRecord]]:
    """The reply, read: (now by Redis' clock in ms, the worker processes)."""
    now, rows = reply
    found = []
    for i in range(0, len(rows), 3):
        told = unpack_text(rows[i + 1])
        # While a deployment is upgraded, later versions tell what this one does not know.
        record = WorkerRecord(**{name: value for name, value in told.items() if name in _FIELDS})
        record.beat_ms = int(float(rows[i + 2]))
        found.append(record)
    return now, sorted(found, key=lambda r: (r.host, r.slot, r.pid))


def publish(
    store: Store, actors: Mapping[str, Mapping[str, Any]], *, again: bool = False, said_for_ms: int = SAID_FOR_MS
) -> None:
    """Publish actors by name: their queue and options, which producers check against.

    An actor of which workers have published a higher ``payload_version`` within ``said_for_ms`` stays as it is; with
    ``again`` (this process said it before) one of the same version does as well.

    Raises: FormatMismatch when Redis holds data of another format version; nothing was changed then.
    """
    flat: list[str | int] = []
    for name, described in actors.items():
        told = json.dumps(described, separators=(",", ":"), sort_keys=True)
        flat += [name, described.get("payload_version", 0), told]
    _check_format(store.call("publish", "", (FORMAT, said_for_ms, int(again), *flat)))


def _check_format(found: int) -> None:
    if found != FORMAT:
        raise FormatMismatch(f"Redis holds data of format {found}; this version of Callboard reads format {FORMAT}")


def actors(store: Store) -> dict[str, dict[str, Any]]:
    """The published actors, by name.

    Raises: FormatMismatch when Redis holds data of another format version.
    """
    found, flat = store.call("actors", "")
    _check_format(found or FORMAT)
    return {flat[i].decode(): json.loads(flat[i + 1]) for i in range(0, len(flat), 2)}
