"""measures, measures_memory, measures_deployment: what a scrape asks, bounded whatever is stored; note_canary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from callboard.packing import unpack
from callboard.schedules.state import Entry, entry_of
from callboard.schedules.turn import IN_TIME_S
from callboard.store.store import Call, Store

#: States as they are told of, in the order of the reply.
STATES = ("waiting", "delayed", "active", "blocked", "completed", "failed", "cancelled")

#: Elements of each key that Redis looks at to estimate its memory.
_SAMPLES = 20

_POLICY = re.compile(rb"^maxmemory_policy:(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Canary:
    """When a canary job last got through a queue (ms since the epoch), and the actor that it is."""

    at_ms: int
    actor: str


@dataclass(frozen=True, slots=True)
class QueueMeasures:
    """A queue. ``jobs``: by state; ages in seconds, 0 where there is nothing; ``totals``: what was ever counted."""

    jobs: dict[str, int]
    outbox: int
    paused: bool
    oldest_waiting_age_s: float
    oldest_active_age_s: float
    canary: Canary | None
    totals: dict[str, int]


@dataclass(frozen=True, slots=True)
class DeploymentMeasures:
    """The deployment. ``ticked_ms``: when schedules were last looked at, 0 for never; ``overdue``: schedules that no
    actor declares and that are overdue; ``declared``: the others; ``damaged``: those of them that cannot be read;
    ``policy``: of Redis when its memory is used up, None when it does not say."""

    ticked_ms: int
    overdue: int
    declared: list[Entry]
    damaged: list[str]
    policy: str | None


def measures_call(queue: str) -> Call:
    """The call of a queue's measures."""
    return "measures", queue, ()


def queue_measures(reply: Sequence[Any]) -> QueueMeasures:
    """The reply of a measures call, read."""
    now, *counts = reply[:8]
    outbox, paused, waiting_since, active_since, canary, totals = reply[8:]
    return QueueMeasures(
        jobs=dict(zip(STATES, counts, strict=True)),
        outbox=outbox,
        paused=paused == 1,
        oldest_waiting_age_s=_age_s(now, waiting_since),
        oldest_active_age_s=_age_s(now, active_since),
        canary=_canary(canary) if canary else None,
        totals={totals[i].decode(): int(totals[i + 1]) for i in range(0, len(totals), 2)},
    )


def _age_s(now_ms: int, since_ms: int) -> float:
    return max(0, now_ms - since_ms) / 1000 if since_ms else 0.0


def _canary(packed: bytes) -> Canary:
    at_ms, actor = unpack(packed)
    return Canary(int(at_ms), actor.decode())


def memory_call(queue: str) -> Call:
    """The call that estimates the memory of a queue's keys; its reply is in bytes."""
    return "measures_memory", queue, (_SAMPLES,)


def deployment_call() -> Call:
    """The call of the deployment's measures. A schedule is overdue when a tick of its would be late by now."""
    return "measures_deployment", "", (IN_TIME_S * 1000,)


def deployment_measures(reply: Sequence[Any]) -> DeploymentMeasures:
    """The reply of the deployment's call, read."""
    ticked_ms, overdue, rows, info = reply
    declared, damaged = [], []
    for i in range(0, len(rows), 2):
        name = rows[i].decode()
        try:
            declared.append(entry_of(name, rows[i + 1]))
        except (ValueError, TypeError, IndexError, AttributeError):
            damaged.append(name)
    policy = _POLICY.search(info)
    return DeploymentMeasures(ticked_ms, overdue, declared, damaged, policy[1].decode() if policy else None)


def note_canary(store: Store, queue: str, actor: str) -> None:
    """A canary job, of ``actor``, got through ``queue``.

    Raises: StoreUnavailable, StoreRefused.
    """
    store.call("note_canary", queue, (actor,))
