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

    def observe(self, value: float) -> None:
        """Count a value in the first bucket whose edge it does not exceed."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value

    def observe_job(self, value: float, job: str, at: float) -> None:
        """As :meth:`observe`, keeping the job as the bucket's exemplar."""
        place = bisect_left(self.edges, value)
        self.counts[place] += 1
        self.total += value
        self.exemplars[place] = (job, value, at)

    def copy(self) -> Histogram:
        """As it stands."""
        return Histogram(self.edges, list(self.counts), self.total, list(self.exemplars))


@dataclass(frozen=True, slots=True)
class Counts:
    """Everything counted so far, by family and label values."""

    numbers: dict[WorkerFamily, dict[Labels, int]]
    histograms: dict[WorkerFamily, dict[Labels, Histogram]]


@dataclass(slots=True)
class _Queue:
    """What is counted of a queue at nearly every job; plain fields, since each look-up costs every job."""

    target_s: float
    waits: Histogram
    attempts: Histogram
    #: Jobs that each objective is about, and those that met it.
    success: int = 0
    success_met: int = 0
    wait: int = 0
    wait_met: int = 0


@dataclass(slots=True)
class _Actor:
    """The same of an actor on a queue."""

    runs: Histogram
    attempts: int = 0


class Tally:
    """The counts of one process, as an ``Observer`` of its engine. All queues and actors begin at zero."""

    def __init__(
        self, catalogue: Catalogue, actors: Iterable[tuple[str, str]], allowed: Allowed, reserve_hold_ms: int
    ) -> None:
        """``actors``: queue and name of each actor of this process; ``reserve_hold_ms`` as in the settings."""
        self._allowed = allowed
        self._hold_s = reserve_hold_ms / 1000
        self._edges = {family: family.edges(catalogue) for family in families.FAMILIES if family.edges is not None}
        self._calls: deque[tuple[str, float]] = deque(maxlen=_MOST_CALLS)
        # Taken by the pump's thread and by those of scrapes; never on a job's thread, where an interrupt may strike.
        self._lock = Lock()

        self._queues = {
            name: _Queue(
                spec.wait_target_ms / 1000, self._histogram(families.WAIT), self._histogram(families.JOB_ATTEMPTS)
            )
            for name, spec in catalogue.items()
        }
        self._actors: dict[Labels, _Actor] = {}
        self._numbers: dict[WorkerFamily, dict[Labels, int]] = {
            families.ATTEMPT_FAILURES: {},
            families.RETRIES: {},
            families.DEFERRED: {(name, reason): 0 for name in catalogue for reason in REASONS},
            families.REQUEUED: {(name,): 0 for name in catalogue},
        }
        self._batches = self._histogram(families.FINISH_BATCH)
        self._calls_of: dict[str, Histogram] = {}
        for pair in actors:
            self._begin(pair)

    # The engine tells

    def ended(self, queue: str, ends: Sequence[tuple[Finish, Job]], sent: int) -> None:
        """See ``Observer``."""
        at = time()
        of_queue = self._queues[queue]
        with self._lock:
            self._batches.observe(sent)
            for finish, job in ends:
                self._count(queue, of_queue, finish, job, at)
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
                    if job.guarded and not job.wait_counted:
                        self._count_wait(self._queues[queue], job, at)
            return Counts(self._numbers_now(), self._histograms_now())

    # With the lock held

    def _numbers_now(self) -> dict[WorkerFamily, dict[Labels, int]]:
        eligible: dict[Labels, int] = {}
        met: dict[Labels, int] = {}
        for name, each in self._queues.items():
            eligible[name, "success"], eligible[name, "wait"] = each.success, each.wait
            met[name, "success"], met[name, "wait"] = each.success_met, each.wait_met
        attempts = {pair: each.attempts for pair, each in self._actors.items()}
        others = {family: dict(cells) for family, cells in self._numbers.items()}
        return {families.ATTEMPTS: attempts, families.SLO_ELIGIBLE: eligible, families.SLO_MET: met, **others}

    def _histograms_now(self) -> dict[WorkerFamily, dict[Labels, Histogram]]:
        return {
            families.WAIT: {(name,): each.waits.copy() for name, each in self._queues.items()},
            families.RUN: {pair: each.runs.copy() for pair, each in self._actors.items()},
            families.JOB_ATTEMPTS: {(name,): each.attempts.copy() for name, each in self._queues.items()},
            families.FINISH_BATCH: {(): self._batches.copy()},
            families.REDIS_CALL: {(verb,): each.copy() for verb, each in self._calls_of.items()},
        }

    def _count(self, queue: str, of_queue: _Queue, finish: Finish, job: Job, at: float) -> None:
        outcome = finish[2]
        if job.cancel_asked and outcome != COMPLETED:
            outcome = CANCELLED  # as Redis ends it, whatever the attempt came to
        ran = job.guarded
        if ran and not job.wait_counted:
            self._count_wait(of_queue, job, at)
        if outcome == BACK:
            self._numbers[families.REQUEUED][queue,] += 1
            return
        if finish[2] == BACK:
            return  # cancelled before it started, or while a shutdown interrupted it
        if ran:
            self._count_attempt((queue, job.actor_name), outcome, finish[3] / 1000, job, at)
        if outcome in (COMPLETED, FAILED):
            of_queue.success += 1
            of_queue.success_met += outcome == COMPLETED
            of_queue.attempts.observe(job.attempt if ran else job.attempt - 1)

    def _count_attempt(self, pair: Labels, outcome: str, seconds: float, job: Job, at: float) -> None:
        numbers = self._numbers
        of_actor = self._actors.get(pair) or self._begin(pair)  # sent to another queue than its actor's own
        of_actor.attempts += 1
        of_actor.runs.observe_job(seconds, job.message_id, at)
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

    def _count_wait(self, of_queue: _Queue, job: Job, at: float) -> None:
        """The wait of a job that has not been counted yet."""
        job.wait_counted = True
        if job.stalls:
            return
        # `wait_ms` is until the fetch; a job from the reserve has waited on.
        waited = job.wait_ms / 1000 + max(0.0, job.started - (job.reserved_until - self._hold_s))
        of_queue.waits.observe_job(waited, job.message_id, at)
        if job.first_start:
            of_queue.wait += 1
            of_queue.wait_met += waited <= of_queue.target_s

    def _count_calls(self) -> None:
        calls, by_verb = self._calls, self._calls_of
        while calls:
            verb, seconds = calls.popleft()
            of_verb = by_verb.get(verb)
            if of_verb is None:
                of_verb = by_verb[verb] = self._histogram(families.REDIS_CALL)
            of_verb.observe(seconds)

    def _begin(self, pair: Labels) -> _Actor:
        """An actor on a queue, from zero."""
        self._numbers[families.RETRIES][pair] = 0
        self._numbers[families.ATTEMPT_FAILURES][*pair, OTHER] = 0
        made = self._actors[pair] = _Actor(self._histogram(families.RUN))
        return made

    def _histogram(self, family: WorkerFamily) -> Histogram:
        edges = self._edges[family]
        buckets = len(edges) + 1
        return Histogram(edges, [0] * buckets, exemplars=[None] * buckets if family.exemplars else [])


def _reason(job: Job) -> str:
    """Why an attempt deferred its job, as one of :data:`REASONS`: what actors say themselves may be anything."""
    if job.error is not None and job.error[0] == "RateLimitExceeded":
        return "rate_limit"
    return "newer_payload" if job.reason.endswith(WAITS_FOR_NEWER) else "other"
