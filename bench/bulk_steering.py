"""Verbs on many jobs. find: all pages of a text that is in ten jobs of 100,000 failed ones (a traceback each), by one
caller, from the first call to the last cursor.

retry_all: 100,000 failed jobs are retried while the usual workers work off a backlog of their queue. Their throughput
while it runs is compared with theirs in the seconds before and after it. Median of three rounds."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.context import Context
from bench.processes import Workers, workers
from bench.rows import BenchError, Outcome, at_least, at_most, info, spread
from bench.stored import ACTOR, QUEUES, StoredQueue
from bench.systems import QUEUE
from callboard.verbs.bulk import JobFilter

_ROUNDS, _BESIDE_S, _NEEDLES = 3, 3.0, 10


def measure(context: Context) -> Outcome:
    """find, then retry_all."""
    outcome = _find(context)
    outcome.add(_retry_all(context))
    return outcome


def _find(context: Context) -> Outcome:
    jobs = context.plan.many_jobs
    context.server.fresh()
    queue = StoredQueue(context)
    try:
        queue.add_ended("failed", jobs - _NEEDLES)
        for i in range(_NEEDLES):
            queue.service.add_job(QUEUE, ACTOR, {"text": "a needle in a Haystack"}, id=f"needle-{i}")
        seconds = [context.undisturbed(partial(_all_pages, queue)) for _ in range(_ROUNDS)]
    finally:
        queue.close()
    took = statistics.median(seconds)
    context.say(f"bulk steering: found in {took:.2f} s")
    return Outcome(
        [at_most("find by text, all pages", took, "s", 2.0, f"{jobs:,} jobs: {spread(seconds, 2)}")],
        {"find_seconds": took},
    )


def _all_pages(queue: StoredQueue) -> float:
    """Seconds until every job with the text was found."""
    start, cursor, found = time.perf_counter(), None, 0
    while True:
        page = queue.service.find_jobs(QUEUE, JobFilter(text="haystack"), cursor=cursor)
        found, cursor = found + len(page.jobs), page.cursor
        if cursor is None:
            break
    if found != _NEEDLES:
        raise BenchError(f"find returned {found} jobs of {_NEEDLES}")
    return time.perf_counter() - start


@dataclass(frozen=True, slots=True)
class _Retried:
    seconds: float
    during: float
    beside: float


def _retry_all(context: Context) -> Outcome:
    rounds = []
    for number in range(_ROUNDS):
        one = context.undisturbed(partial(_retry_all_once, context))
        rounds.append(one)
        context.say(
            f"bulk steering {number + 1}/{_ROUNDS}: retry_all {one.seconds:.1f} s, "
            f"workers {one.during:,.0f}/s, beside {one.beside:,.0f}/s"
        )
    seconds = [one.seconds for one in rounds]
    shares = [one.during / one.beside for one in rounds]
    jobs = f"{context.plan.many_jobs:,} jobs"
    return Outcome(
        [
            at_most("retry_all under load", statistics.median(seconds), "s", 20.0, f"{jobs}: {spread(seconds, 1)}"),
            info("retry_all, workers without it", statistics.median(one.beside for one in rounds), "jobs/s"),
            at_least("retry_all, workers with it / without", statistics.median(shares), "×", 0.8, spread(shares, 2)),
        ],
        {"retry_all_seconds": statistics.median(seconds), "retry_all_throughput_share": statistics.median(shares)},
    )


def _retry_all_once(context: Context) -> _Retried:
    jobs = context.plan.many_jobs
    context.server.fresh()
    queue = StoredQueue(context)
    try:
        queue.add_ended("failed", jobs)
        queue.add("waiting", context.plan.bulk_backlog)
        system = context.callboard().with_env(CALLBOARD_QUEUES=json.dumps(QUEUES))
        with workers(system.workers, system.env) as running:
            _wait_for_work(queue, running)
            before = _rate(queue, partial(time.sleep, _BESIDE_S))
            start = time.perf_counter()
            during = _rate(queue, partial(_retry, queue, jobs))
            seconds = time.perf_counter() - start
            after = _rate(queue, partial(time.sleep, _BESIDE_S))
            left = system.left(context.server.client)
    finally:
        queue.close()
    if not left:
        raise BenchError("the backlog ended before the measurement did: it says nothing about the workers")
    return _Retried(seconds, during, (before + after) / 2)


def _wait_for_work(queue: StoredQueue, running: Workers) -> None:
    """Until the workers are at full speed."""
    while queue.completed() < 20_000:
        running.check()
        time.sleep(0.05)


def _rate(queue: StoredQueue, meanwhile: Callable[[], object]) -> float:
    """Jobs completed a second while ``meanwhile()`` runs."""
    start, done = time.perf_counter(), queue.completed()
    meanwhile()
    return (queue.completed() - done) / (time.perf_counter() - start)


def _retry(queue: StoredQueue, jobs: int) -> None:
    retried = queue.service.retry_all(QUEUE)
    if retried != jobs:
        raise BenchError(f"retry_all retried {retried} jobs of {jobs}")
