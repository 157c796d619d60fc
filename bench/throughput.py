"""No-op jobs a second. The backlog is added first, then the workers start; the rate is taken between 15 % and 90 % of
the backlog, so that neither start-up nor the last jobs count. Progress is read every 50 ms from the lengths of the
system's own lists. The systems take turns; each figure is the median over the rounds, each ratio the median of the
rounds' ratios. Where a system has two settings, the one with the better median counts as its best. Callboard runs
the platform's whole middleware and writes one JSON line a finished attempt to a file. Dramatiq appears twice: as
shipped (2 × 8 threads, the setting its target was written for) and tuned (more threads, a longer prefetch)."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

from bench.context import Context
from bench.processes import workers
from bench.progress import steady_rate, watch
from bench.rows import Outcome, at_least, info, median_ratio, spread
from bench.systems import System


def rate(context: Context, system: System, jobs: int, mode: str) -> float:
    """Jobs a second of ``system`` over a backlog of ``jobs``, added in ``mode``."""
    context.server.fresh()
    system.produce(mode, jobs)
    with workers(system.workers, system.env) as running:
        return steady_rate(watch(context, system, jobs, running), jobs)


def measure(context: Context) -> Outcome:
    """Every system in turn, round after round."""
    plan = context.plan
    turns: list[tuple[str, Callable[[], System], int, str]] = [
        ("shipped", context.dramatiq_as_shipped, plan.dramatiq_jobs, "send"),
        ("bullmq 1", context.bullmq, plan.jobs, "bulk"),
        ("on", context.callboard, plan.jobs, "bulk"),
        ("tuned", context.dramatiq_tuned, plan.dramatiq_jobs, "send"),
        ("bullmq 2", lambda: context.bullmq(2), plan.jobs, "bulk"),
        ("off", lambda: context.callboard(log=False), plan.jobs, "bulk"),
    ]
    rates: dict[str, list[float]] = {key: [] for key, *_ in turns}
    names: dict[str, str] = {}
    for number in range(plan.rounds):
        for key, make, jobs, mode in turns:
            system = make()
            names[key] = system.name
            rates[key].append(context.undisturbed(partial(rate, context, system, jobs, mode)))
            context.say(f"throughput {number + 1}/{plan.rounds}: {system.name} {rates[key][-1]:,.0f}/s")
    return _outcome(rates, names)


def _outcome(rates: dict[str, list[float]], names: dict[str, str]) -> Outcome:
    outcome = Outcome()
    for key, values in rates.items():
        outcome.rows.append(info(f"throughput, {names[key]}", statistics.median(values), "jobs/s", spread(values)))
    bullmq = max(rates["bullmq 1"], rates["bullmq 2"], key=statistics.median)
    on_dramatiq = median_ratio(rates["on"], rates["shipped"])
    on_tuned = median_ratio(rates["on"], rates["tuned"])
    on_bullmq = median_ratio(rates["on"], bullmq)
    off_bullmq = median_ratio(rates["off"], bullmq)
    outcome.rows += [
        at_least("throughput, Callboard / Dramatiq as shipped", on_dramatiq, "×", 5.0, "everything on"),
        info("throughput, Callboard / Dramatiq tuned", on_tuned, "×", "everything on"),
        at_least("throughput, Callboard / BullMQ", on_bullmq, "×", 1.0, "everything on"),
        at_least("throughput, Callboard / BullMQ, no log", off_bullmq, "×", 1.25, "attempt log off"),
    ]
    outcome.figures = {
        "throughput_ratio_dramatiq": on_dramatiq,
        "throughput_ratio_dramatiq_tuned": on_tuned,
        "throughput_ratio_bullmq": on_bullmq,
        "throughput_ratio_bullmq_no_log": off_bullmq,
    }
    return outcome
