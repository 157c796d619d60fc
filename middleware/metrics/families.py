"""What a worker process says of its own work: every metric, with its labels, its meaning and its bucket edges.

Names are contracts: rules, dashboards and docs/reference/metrics.md use them. What is read from Redis, the state of the
queues, is in ``exported.py``.

Series of a process, with Q queues, A pairs of a queue and an actor of this process, V scripts that it has called:
each histogram's edges + 3, times Q (waits, attempts a job took), A (run times), V (calls) or 1; 4 A + 8 Q + 1 more; and
one for each pair and class of exception that was seen, of at most 100 classes (``exceptions.py``). A test counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from callboard.catalogue import Catalogue
from callboard.verbs.cycle import MAX_FINISHES

#: Bucket edges of a histogram, lowest first, in its own unit.
Edges = tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)  # looked up many times a job: by identity
class WorkerFamily:
    """One metric. ``name`` is without the ``_total`` of a counter and the ``_info`` of an info."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    labels: tuple[str, ...]
    help: str
    #: Of a histogram: its edges in a deployment with this catalogue.
    edges: Callable[[Catalogue], Edges] | None = None
    #: Whether buckets name the latest job that fell into them (OpenMetrics alone).
    exemplars: bool = False

    @property
    def exposed(self) -> str:
        """The name of its series; of a histogram the common part."""
        return self.name + {"counter": "_total", "info": "_info"}.get(self.kind, "")


#: Edges that every deployment has (seconds).
_WAITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600)
_RUNS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600)
_CALLS = (0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_ATTEMPTS = (1, 2, 3, 4, 5, 7, 10)
_BATCHES = (1, 2, 5, 10, 20, 50, 100, MAX_FINISHES)


def _joined(fixed: Iterable[float], own: Iterable[float]) -> Edges:
    return tuple(sorted({*map(float, fixed), *map(float, own)}))


def _wait_edges(catalogue: Catalogue) -> Edges:
    """All queues have the same, so that they can be added up; each queue's wait target is one of them."""
    return _joined(_WAITS, (spec.wait_target_ms / 1000 for spec in catalogue.values()))


def _run_edges(catalogue: Catalogue) -> Edges:
    """As for waits, with each queue's time limit."""
    return _joined(_RUNS, (spec.time_limit_ms / 1000 for spec in catalogue.values()))


def _attempt_edges(catalogue: Catalogue) -> Edges:
    """As for waits, with the attempts that each queue allows."""
    return _joined(_ATTEMPTS, (spec.max_attempts for spec in catalogue.values()))


_QUEUE, _ACTOR = ("queue",), ("queue", "actor")

ATTEMPTS = WorkerFamily(
    "callboard_attempts", "counter", _ACTOR,
    "Attempts that ran here and whose end was committed, whatever came of them; not those that a shutdown cut short.",
)  # fmt: skip
ATTEMPT_FAILURES = WorkerFamily(
    "callboard_attempt_failures", "counter", (*_ACTOR, "exception"),
    "Those of them that failed, by class of exception; other: one that is not of Python, Dramatiq, Callboard or the "
    "application.",
)  # fmt: skip
RETRIES = WorkerFamily("callboard_retries", "counter", _ACTOR, "Attempts that ended in a retry.")
IN_PROGRESS = WorkerFamily("callboard_attempts_in_progress", "gauge", _ACTOR, "Attempts that run now.")
WAIT = WorkerFamily(
    "callboard_queue_wait_seconds", "histogram", _QUEUE,
    "From when a job could start to the start of its attempt; without starts after one that was lost with its worker.",
    _wait_edges, exemplars=True,
)  # fmt: skip
RUN = WorkerFamily(
    "callboard_run_duration_seconds", "histogram", _ACTOR, "How long the attempts of callboard_attempts_total ran.",
    _run_edges, exemplars=True,
)  # fmt: skip
JOB_ATTEMPTS = WorkerFamily(
    "callboard_job_attempts", "histogram", _QUEUE, "Attempts that a job took until it completed or failed.",
    _attempt_edges,
)  # fmt: skip
SLO_ELIGIBLE = WorkerFamily(
    "callboard_slo_eligible", "counter", ("queue", "slo"),
    "Jobs that an objective is about: success, when they complete or fail; wait, when they start for the first time.",
)  # fmt: skip
SLO_MET = WorkerFamily(
    "callboard_slo_met", "counter", ("queue", "slo"),
    "Those of them that met it: success, they completed; wait, they waited no longer than the queue's wait target.",
)  # fmt: skip
DEFERRED = WorkerFamily(
    "callboard_deferred", "counter", (*_QUEUE, "reason"),
    "Attempts that deferred their job: rate_limit (Dramatiq's limiters), newer_payload (a newer worker must read it), "
    "other (the actor's own).",
)  # fmt: skip
REQUEUED = WorkerFamily(
    "callboard_shutdown_requeued", "counter", _QUEUE,
    "Jobs that went back because their worker process ended: unstarted, or interrupted as they asked to be.",
)  # fmt: skip
FINISH_BATCH = WorkerFamily(
    "callboard_finish_batch_size", "histogram", (), "Ends of attempts that one call to Redis committed together.",
    lambda _: _joined(_BATCHES, ()),
)  # fmt: skip
REDIS_CALL = WorkerFamily(
    "callboard_redis_call_seconds", "histogram", ("verb",),
    "Round trips of this process to Redis, by the script that each began with, failed ones among them.",
    lambda _: _CALLS,
)  # fmt: skip
BUILD = WorkerFamily("callboard_build", "info", ("version", "component"), "The version of Callboard that runs here.")

#: In the order in which they are exposed.
FAMILIES: tuple[WorkerFamily, ...] = (
    ATTEMPTS, ATTEMPT_FAILURES, RETRIES, IN_PROGRESS, WAIT, RUN, JOB_ATTEMPTS, SLO_ELIGIBLE, SLO_MET, DEFERRED,
    REQUEUED, FINISH_BATCH, REDIS_CALL, BUILD,
)  # fmt: skip
