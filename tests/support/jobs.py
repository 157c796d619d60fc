"""Jobs as a worker process holds them, without a Redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callboard.catalogue import QueueSpec
from callboard.codec import encode_payload
from callboard.records import _HEAD, _REST
from callboard.worker.job import Job

#: When jobs are added, by Redis' clock (ms).
ADDED_MS = 1_700_000_000_000


def make_job(
    spec: QueueSpec,
    actor: str = "work",
    *,
    id: str = "job-1",
    options: Mapping[str, Any] | None = None,
    attempts: int = 0,
    stalls: int = 0,
    workspace: str = "",
    priority: int = 5,
    waited_ms: int = 40,
) -> Job:
    """A fetched job that has made ``attempts`` attempts and waited for ``waited_ms``."""
    name = workspace.encode()
    packed = _HEAD.pack(b"a", priority, ADDED_MS, len(name)) + name
    packed += _REST.pack(0, attempts, stalls, stalls, 0, 0, 0, 0, b"w" * 12, 0)
    payload = encode_payload(actor, (), {}, dict(options or {}), ADDED_MS)
    return Job(spec, id.encode(), payload, packed, 7, ADDED_MS + waited_ms)
