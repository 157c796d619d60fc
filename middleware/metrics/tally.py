"""What a worker process has done, as plain numbers.

The pump tells it, a batch at a time, what Redis took: so a job's own thread does nothing for it, and what Redis
refused, because the job belonged to another worker by now, is not counted.

What counts:

- An attempt counts when its actor was called and its end was committed: completed, failed, retried, deferred or
  cancelled. A job that was skipped, was too old, or was cancelled or given back before it started, made no attempt and
  has no run time. Nor has one that a shutdown interrupted: it costs its job no attempt.
- A job counts for ``success`` when it completes or fails for good here, with or without an attempt. A cancelled one
  does not, nor one that failed because its workers were lost.
- A wait counts when the attempt has started: at the scrape while it runs, or at its end. For ``wait`` a job's first
  start alone counts. After a start that was lost with its worker nobody knows since when the job has waited. A job
  starts for the first time once more after a shutdown interrupted it, and when it had deferred itself and was then
  fetched and given back unstarted, as its record does not tell; and when an operator lets its attempts begin anew.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from time import time

from callboard.catalogue import Catalogue
from callboard.payloads import WAITS_FOR_NEWER
from callboard.verbs.cycle import Finish
from callboard.worker.finish import BACK, CANCELLED, COMPLETED, DEFERRED, FAILED, RETRY
from callboard.worker.job import Job
from middleware.metrics import families
from middleware.metrics.exceptions import OTHER, Allowed
from middleware.metrics.families import Edges, WorkerFamily

#: Values of a family's labels, in their order.
Labels = tuple[str, ...]

REASONS = ("rate_limit", "newer_payload", "other")

#: Calls to Redis that are kept until somebody counts them; beyond it the oldest are forgotten.
_MOST_CALLS = 20_000

#: The latest job in a bucket: its id, the value (seconds), when (seconds since the epoch).
Exemplar = tuple[str, float, float]


@dataclass(slots=True)
class Histogram:
    """Counts by bucket, the last one beyond all edges."""

    edges: Edges
    counts: list[int]
    total: float = 0.0
    exemplars: list[Exemplar | None] = field(default_factory=list)

    def observe(self, value: float) -> int:
        """Count a value in the first bucket whose edge it does not exceed. Returns: which bucket that is."""
        place = bisect_left(self.edges, value)
        self.counts[place] += 1
        self.total += value
        return place

    def observe_job(self, value: float, job: str, at: float) -> None:
        """As :meth:`observe`, keeping the job as the bucket's exemplar."""
        self.exemplars[self.observe(value)] = (job, value, at)

    def copy(self) -> Histogram:
        """As it stands."""
        return Histogram(self.edges, list(self.counts), self.total, list(self.exemplars))


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything counted so far, by family and label values."""

    numbers: dict[WorkerFamily, dict[Labels, int]]
    histograms: dict[WorkerFamily, dict[Labels, Histogram]]


class Tally:
    """The counts of one process, as an ``Observer`` of its engine. All queues and actors begin at zero."""

    def __init__(
        self, catalogue: Catalogue, actors: Iterable[tuple[str, str]], allowed: Allowed, reserve_hold_ms: int
    ) -> None:
        """``actors``: queue and name of each actor of this process; ``reserve_hold_ms`` as in the settings."""
        self._allowed = allowed
        self._hold_s = reserve_hold_ms / 1000
        self._targets = {name: spec.wait_target_ms / 1000 for name, spec in catalogue.items()}
        self._edges = {family: family.edges(catalogue) for family in families.FAMILIES if family.edges is not None}
        self._calls: deque[tuple[str, float]] = deque(maxlen=_MOST_CALLS)
        # Taken by the pump's thread and by those of scrapes; never on a job's thread, where an interrupt may strike.
        self._lock = Lock()

        queues = [(name,) for name in catalogue]
        slos = [(name, slo) for name in catalogue for slo in ("success", "wait")]
        self._numbers: dict[WorkerFamily, dict[Labels, int]] = {
            families.ATTEMPTS: {},
            families.ATTEMPT_FAILURES: {},
            families.RETRIES: {},
            families.SLO_ELIGIBLE: dict.fromkeys(slos, 0),
            families.SLO_MET: dict.fromkeys(slos, 0),
            families.DEFERRED: {(name, reason): 0 for name in catalogue for reason in REASONS},
            families.REQUEUED: dict.fromkeys(queues, 0),
        }
        self._histograms: dict[WorkerFamily, dict[Labels, Histogram]] = {
            families.WAIT: {labels: self._histogram(families.WAIT) for labels in queues},
            families.RUN: {},
            families.JOB_ATTEMPTS: {labels: self._histogram(families.JOB_ATTEMPTS) for labels in queues},
            families.FINISH_BATCH: {(): self._histogram(families.FINISH_BATCH)},
            families.REDIS_CALL: {},
        }
        for pair in actors:
            self._begin(pair)

    # The engine tells

    def ended(self, queue: str, ends: Sequence[tuple[Finish, Job]], sent: int) -> None:
        """See ``Observer``."""
        at = time()
        with self._lock:
            self._histograms[families.FINISH_BATCH][()].observe(sent)
            for finish, job in ends:
                self._count(queue, finish, job, at)
            self._count_calls()

    def requeued(self, queue: str, jobs: int) -> None:
        """See ``Observer``."""
        with self._lock:
            self._numbers[families.REQUEUED][queue,] += jobs

    def called(self, verb: str, seconds: float) -> None:
        """See ``Observer``. One append, and no lock: jobs' threads come by here."""
        self._calls.append((verb, seconds))

    # The scrape asks

    def counts(self, held: Mapping[str, Iterable[Job]]) -> Counts:
        """A copy of everything counted so far. ``held``: the jobs of this process; the waits of those that run are
        counted now."""
        at = time()
        with self._lock:
            self._count_calls()
            for queue, jobs in held.items():
                for job in jobs:
                    if job.guarded:
                        self._count_wait(queue, job, at)
            return Counts(
                {family: dict(cells) for family, cells in self._numbers.items()},
                {f: {labels: each.copy() for labels, each in cells.items()} for f, cells in self._histograms.items()},
            )

    # With the lock held

    def _count(self, queue: str, finish: Finish, job: Job, at: float) -> None:
        numbers = self._numbers
        outcome = finish[2]
        if job.cancel_asked and outcome != COMPLETED:
            outcome = CANCELLED  # as Redis ends it, whatever the attempt came to
        ran = job.guarded
        if ran:
            self._count_wait(queue, job, at)
        if outcome == BACK:
            numbers[families.REQUEUED][queue,] += 1
            return
        if finish[2] == BACK:
            return  # cancelled before it started, or while a shutdown interrupted it
        if ran:
            self._count_attempt((queue, job.actor_name), outcome, finish[3] / 1000, job, at)
        if outcome in (COMPLETED, FAILED):
            success = (queue, "success")
            numbers[families.SLO_ELIGIBLE][success] += 1
            if outcome == COMPLETED:
                numbers[families.SLO_MET][success] += 1
            self._histograms[families.JOB_ATTEMPTS][queue,].observe(job.attempt if ran else job.attempt - 1)

    def _count_attempt(self, pair: Labels, outcome: str, seconds: float, job: Job, at: float) -> None:
        numbers = self._numbers
        if pair not in numbers[families.ATTEMPTS]:
            self._begin(pair)  # sent to another queue than its actor's own
        numbers[families.ATTEMPTS][pair] += 1
        self._histograms[families.RUN][pair].observe_job(seconds, job.message_id, at)
        if outcome == COMPLETED:
            return
        if outcome == DEFERRED:
            numbers[families.DEFERRED][pair[0], _reason(job)] += 1
        elif outcome == RETRY:
            numbers[families.RETRIES][pair] += 1
        if outcome == FAILED or (outcome == RETRY and job.error is not None):
            failure = (*pair, self._allowed.label(job.error[0]) if job.error is not None else OTHER)
            failures = numbers[families.ATTEMPT_FAILURES]
            failures[failure] = failures.get(failure, 0) + 1

    def _count_wait(self, queue: str, job: Job, at: float) -> None:
        if job.wait_counted:
            return
        job.wait_counted = True
        if job.stalls:
            return
        # `wait_ms` is until the fetch; a job from the reserve has waited on.
        waited = job.wait_ms / 1000 + max(0.0, job.started - (job.reserved_until - self._hold_s))
        self._histograms[families.WAIT][queue,].observe_job(waited, job.message_id, at)
        if job.first_start:
            wait = (queue, "wait")
            self._numbers[families.SLO_ELIGIBLE][wait] += 1
            if waited <= self._targets[queue]:
                self._numbers[families.SLO_MET][wait] += 1

    def _count_calls(self) -> None:
        calls, by_verb = self._calls, self._histograms[families.REDIS_CALL]
        while calls:
            verb, seconds = calls.popleft()
            of_verb = by_verb.get((verb,))
            if of_verb is None:
                of_verb = by_verb[verb,] = self._histogram(families.REDIS_CALL)
            of_verb.observe(seconds)

    def _begin(self, pair: Labels) -> None:
        numbers = self._numbers
        numbers[families.ATTEMPTS][pair] = numbers[families.RETRIES][pair] = 0
        numbers[families.ATTEMPT_FAILURES][*pair, OTHER] = 0
        self._histograms[families.RUN][pair] = self._histogram(families.RUN)

    def _histogram(self, family: WorkerFamily) -> Histogram:
        edges = self._edges[family]
        buckets = len(edges) + 1
        return Histogram(edges, [0] * buckets, exemplars=[None] * buckets if family.exemplars else [])


def _reason(job: Job) -> str:
    """Why an attempt deferred its job, as one of :data:`REASONS`: what actors say themselves may be anything."""
    if job.error is not None and job.error[0] == "RateLimitExceeded":
        return "rate_limit"
    return "newer_payload" if job.reason.endswith(WAITS_FOR_NEWER) else "other"
