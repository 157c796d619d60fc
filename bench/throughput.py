"""No-op jobs a second. The backlog is added first, then the workers start; the rate is taken between 15 % and 90 % of
the backlog, so that neither start-up nor the last jobs count. Progress is read every 50 ms from the lengths of the
system's own lists. The systems take turns; each figure is the median over the rounds, each ratio the median of the
rounds' ratios. Where a system has two settings, the one with the better median counts as its best. Callboard runs
the platform's whole middleware and writes one JSON line a finished attempt to a file. Dramatiq appears twice: as
shipped (2 × 8 threads, the setting its target was written for) and tuned (more threads, a longer prefetch).

CPU a job is what Redis and the workers together used in the same window: it says what two cores could do at most, and
other programs on the machine hardly change it."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial

import psutil

from bench.context import Context
from bench.processes import Workers, workers
from bench.progress import WINDOW, steady_rate, watch
from bench.rows import Outcome, at_least, info, median_ratio, spread
from bench.systems import System


def rate(context: Context, system: System, jobs: int, mode: str) -> tuple[float, float]:
    """Jobs a second of ``system`` over a backlog of ``jobs``, added in ``mode``, and CPU µs a job."""
    context.server.fresh()
    system.produce(mode, jobs)
    with workers(system.workers, system.env) as running:
        meter = _CpuMeter(context, running, jobs)
        samples = watch(context, system, jobs, running, on_sample=meter.look)
        return steady_rate(samples, jobs), meter.a_job()


class _CpuMeter:
    """CPU time of Redis and the workers inside the steady window."""

    def __init__(self, context: Context, running: Workers, jobs: int) -> None:
        self._server = psutil.Process(context.server.pid)
        self._running = running
        self._low, self._high = (share * jobs for share in WINDOW)
        self._readings: list[tuple[int, float]] = []

    def look(self, done: int) -> None:
        """Called with every sample."""
        if done >= (self._high if self._readings else self._low) and len(self._readings) < 2:
            times = self._server.cpu_times()
            self._readings.append((done, times.user + times.system + self._running.cpu_seconds()))

    def a_job(self) -> float:
        """µs a job."""
        (first, at_first), (last, at_last) = self._readings
        return 1e6 * (at_last - at_first) / max(1, last - first)


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
    cpu: dict[str, list[float]] = {key: [] for key, *_ in turns}
    names: dict[str, str] = {}
    for number in range(plan.rounds):
        for key, make, jobs, mode in turns:
            system = make()
            names[key] = system.name
            speed, used = context.undisturbed(partial(rate, context, system, jobs, mode))
            rates[key].append(speed)
            cpu[key].append(used)
            context.say(f"throughput {number + 1}/{plan.rounds}: {system.name} {speed:,.0f}/s, {used:.0f} µs CPU a job")
    outcome = _outcome(rates, names)
    outcome.rows += [
        info(f"CPU a job, {names[key]}", statistics.median(of), "µs", spread(of, 1)) for key, of in cpu.items()
    ]
    return outcome


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
