"""note_health, noted_health: look at queues by the rules of ``callboard.health``, and note what was found."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from callboard.catalogue import QueueSpec
from callboard.errors import StoreUnavailable
from callboard.health import Health, QueueHealth, Status, live, overall, queue_health, unreachable
from callboard.packing import unpack
from callboard.store.store import Store
from callboard.verbs import fleet, looking


@dataclass(frozen=True, slots=True)
class NotedHealth:
    """What the last check found. ``since_ms``: since when the status is this; ``looked_ms``: when it looked."""

    queue: str
    status: Status
    reasons: list[str]
    since_ms: int
    looked_ms: int


def look(store: Store, specs: Iterable[QueueSpec]) -> Health:
    """How the queues are now, in one round trip. A Redis that does not answer is a finding, not an error."""
    wanted = list(specs)
    try:
        replies = store.pipeline([fleet.workers_call(), *(looking.stats_call(spec.name) for spec in wanted)])
    except StoreUnavailable as error:
        replies = [error] * (len(wanted) + 1)
    for reply in replies:
        if isinstance(reply, Exception) and not isinstance(reply, StoreUnavailable):
            raise reply
    seen, stats = replies[0], replies[1:]
    if isinstance(seen, StoreUnavailable):
        # Who lives is not known, so no queue is known to be served.
        return overall([unreachable(spec.name, str(seen)) for spec in wanted], workers=0)
    now_ms, workers = fleet.workers_seen(seen)
    alive = live(workers, now_ms, store.settings.beat_ms)
    return overall([_judge(spec, reply, alive) for spec, reply in zip(wanted, stats, strict=True)], workers=len(alive))


def _judge(spec: QueueSpec, reply: Any, alive: Sequence[fleet.WorkerRecord]) -> QueueHealth:
    if isinstance(reply, StoreUnavailable):
        return unreachable(spec.name, str(reply))
    return queue_health(spec, looking.queue_stats(spec.name, reply), alive)


def note(store: Store, found: Health) -> list[str]:
    """Note what was found of each queue. A status that changed is an event of its queue, ``queue_health_changed``:
    one a change, however many checks see it at once.

    Returns: the queues whose status changed by this call.
    Raises: StoreUnavailable, also when Redis did not answer while ``found`` was looked up: what could be noted is.
    """
    reached = [each for each in found.queues if each.looked_ms]
    calls = [
        ("note_health", each.queue, (each.status, json.dumps(each.reasons), each.looked_ms, store.settings.events_max))
        for each in reached
    ]
    replies = store.pipeline(calls) if calls else []
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    for each in found.queues:
        if not each.looked_ms:
            raise StoreUnavailable(each.reasons[0])
    return [each.queue for each, (code, _) in zip(reached, replies, strict=True) if code == 1]


def noted(store: Store, queue: str) -> NotedHealth | None:
    """What the last check found of ``queue``; None when there was none."""
    packed = store.call("noted_health", queue)
    if packed is None:
        return None
    status, reasons, since_ms, looked_ms = unpack(packed)
    return NotedHealth(queue, status.decode(), json.loads(reasons), since_ms, looked_ms)
