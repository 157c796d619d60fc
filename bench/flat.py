"""Whether work stays as cheap when there is much of it. A backlog of 1,000,000 jobs is worked off by the usual
workers: the rate while 95 % down to 70 % of it still wait is compared with the rate of the same workers while about
10,000 wait (15,000 down to 5,000 of backlogs of 40,000, added while the queue is paused; median of several). A
worker's memory is the resident size of all worker processes after a fifth of the backlog against after the whole.
All of it three times over, with new workers; medians.

Script time is what the server itself measured (INFO latencystats, EVALSHA): p99.9 while the backlog was added by 150,
and while its last 65 % were worked off; the worse one counts. For these two Redis has a core of its own (and, where
it is allowed, the priority to keep it) and everybody else the other one: the server measures wall time, and on two
cores with three busy processes it would measure how long the scheduler lets it wait. (The first part, with the cores
shared, is there for information.)

The quick run uses a smaller backlog and says so."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from functools import partial

import psutil

from bench.context import Context
from bench.plan import FLAT_SMALL
from bench.processes import Workers, hold, prefer, workers
from bench.progress import rate_between, watch
from bench.rows import Outcome, at_least, at_most, info, median_ratio, spread
from bench.systems import QUEUE, System
from callboard.service import QueueService
from callboard.settings import Settings

#: The part of the backlog that is worked off with the cores shared.
_SHARED = 0.35


@dataclass(frozen=True, slots=True)
class _Round:
    """What one large backlog and the small ones after it gave: jobs/s, ms, MiB."""

    large: float
    small: float
    adding: float
    working: float
    shared: float
    early: float
    late: float


def measure(context: Context) -> Outcome:
    """Round after round."""
    rounds = [context.undisturbed(partial(_measure, context)) for _ in range(context.plan.flat_rounds)]
    jobs = context.plan.flat_jobs
    scale = f"{jobs:,} jobs" + (" (quick; the full run takes 1,000,000)" if context.plan.quick else "")
    large, small = [each.large for each in rounds], [each.small for each in rounds]
    ratio = median_ratio(large, small)
    adding, working = ([getattr(each, name) for each in rounds] for name in ("adding", "working"))
    worst = max(statistics.median(adding), statistics.median(working))
    growth = statistics.median(100 * (each.late / each.early - 1) for each in rounds)
    memory = ", ".join(f"{each.early:.1f} → {each.late:.1f}" for each in rounds)
    rows = [
        info("flat, throughput with many waiting", statistics.median(large), "jobs/s", f"{scale}: {spread(large)}"),
        info(f"flat, throughput with {FLAT_SMALL:,} waiting", statistics.median(small), "jobs/s", spread(small)),
        at_least(f"flat, many waiting / {FLAT_SMALL:,} waiting", ratio, "×", 0.9, scale),
        at_most("flat, script p99.9", worst, "ms", 5.0, f"adding {spread(adding, 2)}, working {spread(working, 2)}"),
        info("flat, script p99.9 with the cores shared", statistics.median(r.shared for r in rounds), "ms", scale),
        at_most("flat, growth of a worker's memory", growth, "%", 5.0, f"{scale}: {memory} MiB"),
    ]
    return Outcome(rows, {"flat_ratio": ratio, "script_p999_ms": worst})


def _measure(context: Context) -> _Round:
    """The large backlog, then the small ones, on one set of workers."""
    jobs, system = context.plan.flat_jobs, context.callboard()
    context.server.fresh()
    _part(context, [psutil.Process()])
    system.produce("bulk", jobs)
    _share(context, [psutil.Process()])
    adding = _script_p999(context)
    context.say(f"flat: {jobs:,} jobs added, script p99.9 {adding:.2f} ms")
    context.server.client.config_resetstat()
    with workers(system.workers, system.env) as running:
        watcher = _Watcher(context, running, jobs)
        samples = watch(context, system, jobs, running, on_sample=watcher.look)
        working = _script_p999(context)
        _share(context, running.leaves())
        large = rate_between(samples, 0.05 * jobs, 0.30 * jobs)
        context.say(f"flat: {large:,.0f}/s with {jobs:,} waiting, script p99.9 {working:.2f} ms")
        small = _small_windows(context, system, running)
    return _Round(
        large,
        statistics.median(small),
        adding,
        working,
        watcher.shared_p999,
        watcher.early / 2**20,
        watcher.late / 2**20,
    )


class _Watcher:
    """What is looked at while the large backlog shrinks: memory, and the moment to give Redis a core of its own."""

    def __init__(self, context: Context, running: Workers, jobs: int) -> None:
        self._context = context
        self._running = running
        self._jobs = jobs
        self.shared_p999 = 0.0
        self.early = 0
        self.late = 0

    def look(self, done: int) -> None:
        """Called with every sample."""
        if not self.early and done >= self._jobs // 5:
            self.early = self._running.rss()
        if not self.shared_p999 and done >= _SHARED * self._jobs:
            self.shared_p999 = _script_p999(self._context)
            _part(self._context, self._running.leaves())
            self._context.server.client.config_resetstat()
        if done >= self._jobs:
            self.late = self._running.rss()


def _part(context: Context, others: list[psutil.Process]) -> None:
    """Redis on the first core, the others on the second."""
    if len(context.cores) > 1:
        hold(psutil.Process(context.server.pid), context.cores[:1])
        for process in others:
            hold(process, context.cores[1:2])
        prefer(context.server.pid, True)


def _share(context: Context, others: list[psutil.Process]) -> None:
    """Everybody on both cores again."""
    prefer(context.server.pid, False)
    for process in [psutil.Process(context.server.pid), *others]:
        hold(process, context.cores)


def _script_p999(context: Context) -> float:
    """p99.9 of EVALSHA since the statistics were reset (ms)."""
    told = context.server.info("latencystats")["latency_percentiles_usec_evalsha"]
    return float(told["p99.9"]) / 1000


def _small_windows(context: Context, system: System, running: Workers) -> list[float]:
    service = QueueService(Settings.model_validate({"redis_url": context.server.url, "queues": {QUEUE: {}}}))
    jobs, rates = 4 * FLAT_SMALL, []
    try:
        for _ in range(context.plan.flat_small_windows):
            service.pause_queue(QUEUE)
            system.produce("bulk", jobs)
            service.resume_queue(QUEUE)
            samples = watch(context, system, jobs, running, every_s=0.01)
            rates.append(rate_between(samples, jobs - 1.5 * FLAT_SMALL, jobs - 0.5 * FLAT_SMALL))
    finally:
        service.close()
    context.say(f"flat: {statistics.median(rates):,.0f}/s with {FLAT_SMALL:,} waiting")
    return rates
