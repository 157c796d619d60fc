"""Verbs on one job with 1,000,000 stored: most waiting, a tenth each completed, failed (with a traceback each) and
delayed. One caller calls one verb after the other, 1,000 times each on jobs spread over the whole queue, and waits for
each answer; p99 as the caller sees it, round trip and Python included. edit makes two round trips; progress, log,
checkpoint, extend and release are on jobs that run. The quick run stores fewer jobs and says so."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

from bench.context import Context
from bench.rows import Outcome, Row, at_most
from bench.stored import ACTOR, WORKER, StoredQueue
from bench.systems import QUEUE
from callboard.service import QueueService
from callboard.verbs import telling
from callboard.verbs.leases import extend_call, release_call
from callboard.verbs.telling import Holder

_CALLS, _WARM_UP, _LIMIT_MS = 1_000, 50, 1.0

#: A measurement that was disturbed is taken again on other jobs: so many are ready.
_READY = 4 * (_CALLS + _WARM_UP)

#: Steps over a queue by this prime meet every job once.
_STRIDE = 7_919

#: verb, state of the jobs that it is tried on, one call
_ON_STORED: list[tuple[str, str, Callable[[QueueService, str], object]]] = [
    ("get", "waiting", lambda service, job: service.get_job(QUEUE, job)),
    ("details", "waiting", lambda service, job: service.get_job_details(QUEUE, job)),
    ("reprioritise", "waiting", lambda service, job: service.reprioritise_job(QUEUE, job, 700)),
    ("reschedule", "waiting", lambda service, job: service.reschedule_job(QUEUE, job, delay=9_000)),
    ("edit", "waiting", lambda service, job: service.edit_job(QUEUE, job, {"text": "y" * 250})),
    ("cancel", "waiting", lambda service, job: service.cancel_job(QUEUE, job, "not wanted")),
    ("remove", "waiting", lambda service, job: service.remove_job(QUEUE, job)),
    ("promote", "delayed", lambda service, job: service.promote_job(QUEUE, job)),
    ("retry", "failed", lambda service, job: service.retry_job(QUEUE, job)),
]

Call = Callable[[int], object]


def measure(context: Context) -> Outcome:
    """Store, then call."""
    stored = context.plan.stored_jobs
    context.server.fresh()
    queue = StoredQueue(context)
    try:
        sizes = {"completed": stored // 10, "failed": stored // 10, "delayed": stored // 10}
        sizes["waiting"] = stored - sum(sizes.values())
        queue.add_ended("completed", sizes["completed"])
        queue.add_ended("failed", sizes["failed"])
        queue.add_delayed(sizes["delayed"])
        queue.add("waiting", sizes["waiting"])
        note = f"{stored:,} jobs stored"
        context.say(f"steering: {note}")
        rows = [_row(context, verb, call, note) for verb, call in (*_on_stored(queue, sizes), *_on_active(queue))]
    finally:
        queue.close()
    return Outcome(rows, {"steering_worst_p99_ms": max(row.value for row in rows)})


def _row(context: Context, verb: str, call: Call, note: str) -> Row:
    p50, p99 = context.undisturbed(partial(_latency, call, itertools.count()))
    context.say(f"steering: {verb} p50 {p50:.2f} ms, p99 {p99:.2f} ms")
    return at_most(f"steering, {verb} p99", p99, "ms", _LIMIT_MS, f"{note}; p50 {p50:.2f}")


def _latency(call: Call, numbers: Iterator[int]) -> tuple[float, float]:
    """p50 and p99 (ms) of calls on the next jobs."""
    for number in itertools.islice(numbers, _WARM_UP):
        call(number)
    taken = []
    for number in itertools.islice(numbers, _CALLS):
        start = time.perf_counter()
        call(number)
        taken.append((time.perf_counter() - start) * 1000)
    ranks = statistics.quantiles(taken, n=100, method="inclusive")
    return ranks[49], ranks[98]


def _on_stored(queue: StoredQueue, sizes: dict[str, int]) -> Iterator[tuple[str, Call]]:
    """add, and the verbs on jobs that do not run; each meets jobs that no other does."""
    service = queue.service
    yield "add", lambda n: service.add_job(QUEUE, ACTOR, {"text": "x" * 250}, id=f"new-{n}")
    for place, (verb, state, call) in enumerate(_ON_STORED):
        yield verb, partial(_nth, service, call, state, sizes[state], place * _READY)


def _nth(
    service: QueueService, call: Callable[[QueueService, str], object], state: str, jobs: int, first: int, n: int
) -> object:
    return call(service, f"{state}-{(first + n) * _STRIDE % jobs}")


def _on_active(queue: StoredQueue) -> Iterator[tuple[str, Call]]:
    """What the worker of a job calls while it runs, and at last that it gives the job back."""
    store, held = queue.store, queue.add_active(_READY)

    def extend(holder: Holder) -> object:
        return store.call(*extend_call(WORKER, queue.spec, [(holder.stored_id, holder.number)]))

    def release(holder: Holder) -> object:
        return store.call(*release_call(WORKER, QUEUE, [(holder.stored_id, holder.number)]))

    calls: list[tuple[str, Callable[[Holder], object]]] = [
        ("extend", extend),
        ("progress", lambda holder: telling.tell_progress(store, holder, {"done": 12, "of": 40})),
        ("log", lambda holder: telling.tell_line(store, holder, "12 of 40 posts collected")),
        ("checkpoint", lambda holder: telling.tell_checkpoint(store, holder, "page", 12)),
        ("release", release),
    ]
    for verb, call in calls:
        yield verb, lambda n, call=call: call(held[n])  # type: ignore[misc]
