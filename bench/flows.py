"""Flows: how many links of chains a second go through, from the first link's add to the last one's end, and how long a
group of 10,000 no-op jobs takes from its add until the one job that follows it has ended, which must come once.
Hundreds of chains run at once; each has ten links that change between two queues, so that every step crosses queues.
One worker process, everything on. Median of the rounds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial

from bench.context import Context
from bench.processes import workers
from bench.rows import BenchError, Outcome, at_least, below, spread
from callboard.flows.plan import Step, chain, group, step
from callboard.service import QueueService
from callboard.settings import Settings
from callboard.verbs.looking import QueueStats

_ROUNDS, _LINKS, _TIMEOUT_S = 3, 10, 180.0
_QUEUES = ("bench", "other")
_PAYLOAD = {"text": "x"}


def measure(context: Context) -> Outcome:
    """Chains, then the group."""
    rates = [context.undisturbed(partial(_chains, context)) for _ in range(_ROUNDS)]
    links = statistics.median(rates)
    times = [context.undisturbed(partial(_group, context)) for _ in range(_ROUNDS)]
    taken, size = statistics.median(times), context.plan.group_jobs
    context.say(f"flows: {links:,.0f} links/s; a group of {size:,} in {taken:.1f} s")
    chains = f"{context.plan.chains} chains of {_LINKS} over two queues: {spread(rates)}"
    return Outcome([
        at_least("chain links", links, "links/s", 300.0, chains),
        below(f"group of {size:,}, to the end of what follows once", taken, "s", 60.0, f"{size / taken:,.0f} jobs/s"),
    ], {"chain_links_per_second": links})  # fmt: skip


def _chains(context: Context) -> float:
    flows = [chain(*[_step(link % 2) for link in range(_LINKS)]) for _ in range(context.plan.chains)]
    jobs = _LINKS * len(flows)
    return jobs / _run(context, flows, lambda stats: _completed(stats) == jobs)


def _group(context: Context) -> float:
    flow = group(*[_step(0) for _ in range(context.plan.group_jobs)], then=_step(1))
    return _run(context, [flow], lambda stats: stats[1].completed == 1)


def _step(queue: int) -> Step:
    return step(_QUEUES[queue], f"noop.{_QUEUES[queue]}", _PAYLOAD)


def _run(context: Context, flows: list[Step], is_done: Callable[[list[QueueStats]], bool]) -> float:
    """Seconds from the first add to the end."""
    context.server.fresh()
    queues = '{"bench": {"max_length": null}, "other": {"max_length": null}}'
    system = context.callboard(processes=1).with_env(BENCH_QUEUES=",".join(_QUEUES), CALLBOARD_QUEUES=queues)
    service = QueueService(Settings.model_validate({"redis_url": context.server.url, "queues": queues}))
    try:
        with workers(system.workers, system.env) as running:
            deadline = time.monotonic() + _TIMEOUT_S
            while not service.get_workers():
                _check(deadline, "the worker did not come")
            began = time.monotonic()
            for flow in flows:
                service.add_flow(flow)
            while not is_done([service.get_queue_stats(queue) for queue in _QUEUES]):
                running.check()
                _check(deadline, "the flows did not end")
            taken = time.monotonic() - began
            stats = [service.get_queue_stats(queue) for queue in _QUEUES]
            added = sum(each.totals.get("added", 0) for each in stats)
            if any(each.failed for each in stats) or added != _completed(stats):
                raise BenchError(f"not every job of the flows completed, once: {stats}")
            return taken
    finally:
        service.close()


def _completed(stats: list[QueueStats]) -> int:
    return sum(each.totals.get("completed", 0) for each in stats)


def _check(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise BenchError(f"{what} within {_TIMEOUT_S:.0f} s")
    time.sleep(0.02)
