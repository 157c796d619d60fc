"""What the metrics of worker processes cost: jobs a second with them and without, in turns on the same Redis, all else
on. While they are on, every worker process is scraped once a second, fifteen times as often as Prometheus does. Three
kinds of job: one that does nothing, one that keeps a core busy for a millisecond of its own time, and one that sleeps
for a millisecond. The ratio is the median of the rounds' ratios."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from urllib.request import urlopen

from bench.context import Context
from bench.processes import workers
from bench.progress import steady_rate, watch
from bench.rows import BenchError, Outcome, at_least, info, median_ratio, spread
from bench.systems import QUEUE
from callboard.settings import Settings
from callboard.store.store import open_store
from callboard.verbs import fleet

#: Seconds between two scrapes of a process.
SCRAPE_S = 1.0

#: What an actor is called in the table, and the share of its rate without metrics that it must keep.
ACTORS = {
    f"noop.{QUEUE}": ("no-op jobs", 0.85),
    "busy": ("jobs that compute for 1 ms", 0.95),
    "asleep": ("jobs that sleep for 1 ms", 0.95),
}

#: The targets are closer to one than the machine is steady: more rounds than elsewhere.
MORE_ROUNDS = 2

#: Jobs that sleep are worked off so many times as fast as those that compute.
ASLEEP = 6


def measure(context: Context) -> Outcome:
    """Each kind of job in turn, round after round, with metrics and without."""
    outcome = Outcome()
    for actor, (name, least) in ACTORS.items():
        rates: dict[bool, list[float]] = {True: [], False: []}
        for number in range(context.plan.rounds + MORE_ROUNDS):
            # Who begins changes from round to round.
            for on in (True, False) if number % 2 else (False, True):
                rates[on].append(context.undisturbed(partial(_rate, context, actor, on)))
                context.say(f"metrics {'on' if on else 'off'}, {name}: {rates[on][-1]:,.0f}/s")
        outcome.rows += [
            info(f"{name}, metrics off", statistics.median(rates[False]), "jobs/s", spread(rates[False])),
            at_least(f"{name}, metrics on / off", median_ratio(rates[True], rates[False]), "×", least),
        ]
    return outcome


def _rate(context: Context, actor: str, on: bool) -> float:
    plan = context.plan
    jobs = {"busy": plan.millisecond_jobs, "asleep": ASLEEP * plan.millisecond_jobs}.get(actor, plan.jobs)
    system = context.callboard(metrics=on)
    context.server.fresh()
    system.produce("bulk", jobs, actor=actor)
    with workers(system.workers, system.env) as running, _scraped(context) if on else _nothing() as seen:
        rate = steady_rate(watch(context, system, jobs, running), jobs)
    if on and not seen:
        raise BenchError("no worker process was scraped: what was measured were not the metrics")
    return rate


@contextmanager
def _nothing() -> Iterator[list[int]]:
    yield []


@contextmanager
def _scraped(context: Context) -> Iterator[list[int]]:
    """Scrape every worker process meanwhile; gives the sizes of the answers."""
    store = open_store(Settings(redis_url=context.server.url))
    over, sizes = threading.Event(), list[int]()

    def scrape() -> None:
        while not over.wait(SCRAPE_S):
            # A process that has just begun to speak may not have its port yet.
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
