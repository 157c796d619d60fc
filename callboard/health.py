"""When a queue is healthy, and when not: the rules, without Redis.

healthy     nothing below holds
degraded    a warning threshold of the catalogue is passed, or the oldest waiting job is older than twice the queue's
            wait target (not while the queue is paused: it is meant to wait then)
unhealthy   the queue is paused; or it has work and no live worker process serves it; or Redis is away

A threshold is passed by more than its number: exactly the number is still healthy. Every reason is a sentence with its
numbers, and all that hold are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from callboard.catalogue import QueueSpec
from callboard.verbs.fleet import WorkerRecord
from callboard.verbs.looking import QueueStats

Status = Literal["healthy", "degraded", "unhealthy"]

#: From best to worst.
STATUSES: tuple[Status, ...] = ("healthy", "degraded", "unhealthy")

#: A worker process that was not heard of for longer than this, and than so many beats, is not counted on (ms).
SILENCE_MS, SILENT_BEATS = 10_000, 3

#: The oldest waiting job may be so many times as old as the queue's wait target.
WAIT_TARGETS = 2


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """How a queue is, and why. ``looked_ms``: when it was looked at, by Redis' clock (0: Redis is away)."""

    queue: str
    status: Status
    reasons: list[str] = field(default_factory=list)
    looked_ms: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    """How all queues are. ``status`` is that of the worst; ``redis``: whether it answered for all of them; ``workers``:
    how many processes live."""

    status: Status
    reasons: list[str]
    queues: list[QueueHealth]
    redis: bool
    workers: int


def live(workers: Sequence[WorkerRecord], now_ms: int, beat_ms: int) -> list[WorkerRecord]:
    """Those of ``workers`` that were heard of lately; ``beat_ms`` is how often they speak (a setting)."""
    silence = max(SILENCE_MS, SILENT_BEATS * beat_ms)
    return [worker for worker in workers if now_ms - worker.beat_ms <= silence]


def queue_health(spec: QueueSpec, stats: QueueStats, workers: Sequence[WorkerRecord]) -> QueueHealth:
    """How the queue of ``spec`` is, given its stats and the live worker processes."""
    unhealthy, degraded = [], []
    if stats.paused:
        unhealthy.append(_paused(stats))
    if (work := _work(stats)) and not any(spec.name in worker.queues for worker in workers):
        unhealthy.append(f"no live worker serves the queue, which has {work}")
    for state, most in spec.thresholds:
        count = getattr(stats, state)
        if count > most:
            degraded.append(f"{state}: {_jobs(count)}, more than {most:,}")
    target_s = spec.wait_target_ms / 1000
    if not stats.paused and stats.oldest_waiting_age_s > WAIT_TARGETS * target_s:
        degraded.append(
            f"the oldest waiting job has waited {stats.oldest_waiting_age_s:.0f} s, "
            f"more than {WAIT_TARGETS} × the target of {target_s:g} s"
        )
    status: Status = "unhealthy" if unhealthy else "degraded" if degraded else "healthy"
    return QueueHealth(spec.name, status, unhealthy + degraded, stats.at_ms)


def unreachable(queue: str, why: str) -> QueueHealth:
    """How a queue is whose Redis does not answer."""
    return QueueHealth(queue, "unhealthy", [why])


def overall(queues: Sequence[QueueHealth], *, workers: int) -> Health:
    """How the deployment is, of ``workers`` live processes: as its worst queue."""
    status = max((each.status for each in queues), key=STATUSES.index)
    away = sorted({each.reasons[0] for each in queues if not each.looked_ms})
    told = [
        f"{each.queue} is {each.status}: {'; '.join(each.reasons)}"
        for each in queues
        if each.looked_ms and each.reasons
    ]
    return Health(status, away + told, list(queues), not away, workers)


def _paused(stats: QueueStats) -> str:
    told = f"paused for {max(0, stats.at_ms - stats.paused_since_ms) // 1000:,} s, without a planned end"
    by = f"by {stats.paused_by}" if stats.paused_by else ""
    said = " ".join(part for part in (by, f"({stats.paused_reason})" if stats.paused_reason else "") if part)
    return f"{told}, {said}" if said else told


def _work(stats: QueueStats) -> str:
    """What there is to do now, '' when there is nothing. What is delayed beyond its time counts: nobody promoted it."""
    parts = [f"{count:,} {state}" for state, count in (("waiting", stats.waiting), ("active", stats.active)) if count]
    if 0 < stats.next_due_ms < stats.at_ms:
        parts.append("delayed jobs that are due")
    return " and ".join(parts)


def _jobs(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"
