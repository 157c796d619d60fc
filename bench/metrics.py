"""What the metrics of worker processes cost, in jobs a second: two worker processes at the same time on one Redis, each
with a queue of its own, one with metrics and one without, everything else on. Both rates are taken in the
same seconds, so that what slows the machine slows both; they change places from round to round, and the figure is the
median of the rounds' ratios. The process with metrics is scraped every five seconds, three times as often as Prometheus
does. Three kinds of job: one that does nothing, one that keeps a core busy for a millisecond of its own time, and one
that sleeps for a millisecond."""

from __future__ import annotations

import json
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from urllib.request import urlopen

from bench.context import Context
from bench.processes import Workers, workers
from bench.rows import BenchError, Outcome, at_least, info, spread
from bench.systems import QUEUE, System, total
from callboard.keys import queue_key
from callboard.settings import Settings
from callboard.store.store import open_store
from callboard.verbs import fleet

#: The queue of the other process.
OTHER = f"{QUEUE}-too"

#: Seconds between two scrapes of a process.
SCRAPE_S = 5.0

#: What is measured once the slower queue has worked off this share, until the faster has worked off that.
BEGIN, END = 0.1, 0.9

#: The targets are close to one: more rounds than elsewhere.
ROUNDS = 6

_LONGEST_S = 120.0


def measure(context: Context) -> Outcome:
    """Each kind of job in turn, round after round."""
    plan = context.plan
    kinds = [
        ("noop", "no-op jobs", plan.jobs, 0.85),
        ("busy", "jobs that compute for 1 ms", plan.millisecond_jobs, 0.95),
        ("asleep", "jobs that sleep for 1 ms", 5 * plan.millisecond_jobs, 0.95),
    ]
    outcome = Outcome()
    for actor, name, jobs, least in kinds:
        pairs: list[tuple[float, float]] = []
        for number in range(2 if plan.quick else ROUNDS):
            with_metrics, without = (QUEUE, OTHER) if number % 2 else (OTHER, QUEUE)
            pairs.append(context.undisturbed(partial(_rates, context, actor, jobs, with_metrics, without)))
            context.say(f"metrics, {name}: {pairs[-1][0]:,.0f}/s with, {pairs[-1][1]:,.0f}/s without")
        ratios = [on / off for on, off in pairs]
        outcome.rows += [
            info(f"{name}, one process without metrics", statistics.median(off for _, off in pairs), "jobs/s"),
            at_least(f"{name}, metrics on / off", statistics.median(ratios), "×", least, spread(ratios, 2)),
        ]
    return outcome


def _rates(context: Context, actor: str, jobs: int, with_metrics: str, without: str) -> tuple[float, float]:
    """Jobs a second of the process with metrics and of the one without."""
    context.server.fresh()
    both = _pair(context, with_metrics, without)
    for queue in (with_metrics, without):
        both.produce("bulk", jobs, queue=queue, actor=f"{actor}.{queue}")
    with workers(both.workers, both.env) as running, _scraped(context) as sizes:
        rates = _watch(context, running, jobs, (with_metrics, without))
    if not sizes:
        raise BenchError("the worker process was not scraped: what was measured were not the metrics")
    return rates


def _pair(context: Context, with_metrics: str, without: str) -> System:
    """Two worker processes, each on a queue of its own."""
    one = context.callboard(processes=1)
    settings = {with_metrics: "CALLBOARD_METRICS=on", without: "CALLBOARD_METRICS=off"}
    commands = [["env", setting, *one.workers[0], "--queues", queue] for queue, setting in settings.items()]
    queues = {queue: {"max_length": None} for queue in (QUEUE, OTHER)}
    pair = replace(one, name="Callboard, metrics on and off", workers=commands)
    return pair.with_env(BENCH_QUEUES=f"{QUEUE},{OTHER}", CALLBOARD_QUEUES=json.dumps(queues))


def _watch(context: Context, running: Workers, jobs: int, queues: tuple[str, str]) -> tuple[float, float]:
    """The rates of both queues over the same seconds."""
    keys = [[queue_key("callboard", queue, state) for state in ("waiting", "active")] for queue in queues]
    begun: tuple[float, list[int]] | None = None
    deadline = time.monotonic() + _LONGEST_S
    while True:
        done = [jobs - total(context.server.client, "zcard", *of_queue) for of_queue in keys]
        now = time.monotonic()
        if begun is None and min(done) >= BEGIN * jobs:
            begun = now, done
        if max(done) >= END * jobs:
            break
        running.check()
        if now > deadline:
            raise BenchError(f"{jobs - max(done)} jobs are left after {_LONGEST_S:.0f} s")
        time.sleep(0.02)
    if begun is None:
        raise BenchError("one of the two processes was done before the other had begun")
    first, second = ((after - before) / (now - begun[0]) for before, after in zip(begun[1], done, strict=True))
    return first, second


@contextmanager
def _scraped(context: Context) -> Iterator[list[int]]:
    """Scrape the worker processes that have a port meanwhile; gives the sizes of the answers."""
    store = open_store(Settings(redis_url=context.server.url))
    over, sizes = threading.Event(), list[int]()

    def scrape() -> None:
        while not over.wait(SCRAPE_S if sizes else 0.1):
            for worker in filter(lambda each: each.metrics_address, fleet.workers(store)):
                with urlopen(f"http://{worker.metrics_address}/metrics", timeout=5) as answer:
                    sizes.append(len(answer.read()))

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield sizes
    finally:
        over.set()
        thread.join(10)
        store.close()
