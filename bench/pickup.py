"""Milliseconds from the call that adds a job to the first line of its actor in another process. One worker process and
one producer process, both idle in between: the producer pauses 15 to 45 ms, at random, before each add. Both ends read
CLOCK_MONOTONIC, which all processes of a machine share. The first 20 jobs are left out. The systems take turns;
percentiles a round, medians over the rounds, ratios as for the throughput."""

from __future__ import annotations

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from bench.context import Context
from bench.processes import Workers, workers
from bench.rows import BenchError, Outcome, at_most, info, median_ratio, spread
from bench.systems import System

#: Jobs that warm both sides up and are not counted.
_WARM_UP = 20

_LONGEST_S = 30.0


def measure(context: Context) -> Outcome:
    """Both systems in turn."""
    turns = {"bullmq": context.bullmq(), "callboard": context.callboard(processes=1)}
    p50: dict[str, list[float]] = {key: [] for key in turns}
    p99: dict[str, list[float]] = {key: [] for key in turns}
    for number in range(context.plan.rounds):
        for key, system in turns.items():
            taken = context.undisturbed(partial(_samples, context, system))
            p50[key].append(percentile(taken, 50))
            p99[key].append(percentile(taken, 99))
            context.say(
                f"pickup {number + 1}/{context.plan.rounds}: {system.name} p50 {p50[key][-1]:.2f} ms, "
                f"p99 {p99[key][-1]:.2f} ms"
            )
    figures = {
        "pickup_p50_ms": statistics.median(p50["callboard"]),
        "pickup_p99_ms": statistics.median(p99["callboard"]),
        "bullmq_pickup_p50_ms": statistics.median(p50["bullmq"]),
        "bullmq_pickup_p99_ms": statistics.median(p99["bullmq"]),
    }
    rows = [
        info("idle pickup p50, BullMQ", figures["bullmq_pickup_p50_ms"], "ms", spread(p50["bullmq"], 2)),
        info("idle pickup p50, Callboard", figures["pickup_p50_ms"], "ms", spread(p50["callboard"], 2)),
        info("idle pickup p99, BullMQ", figures["bullmq_pickup_p99_ms"], "ms", spread(p99["bullmq"], 2)),
        info("idle pickup p99, Callboard", figures["pickup_p99_ms"], "ms", spread(p99["callboard"], 2)),
        at_most("idle pickup p50, Callboard / BullMQ", median_ratio(p50["callboard"], p50["bullmq"]), "×", 1.2),
        at_most("idle pickup p99, Callboard / BullMQ", median_ratio(p99["callboard"], p99["bullmq"]), "×", 1.0),
    ]
    return Outcome(rows, figures)


def percentile(values: list[float], rank: int) -> float:
    """The ``rank``-th percentile, between neighbours as numpy's default does."""
    return statistics.quantiles(values, n=100, method="inclusive")[rank - 1]


def _samples(context: Context, system: System) -> list[float]:
    """Milliseconds of each counted job, in the order they started."""
    context.server.fresh()
    with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder:
        path = Path(folder) / "pickup"
        noting = system.with_env(BENCH_PICKUP_FILE=str(path))
        with workers(noting.workers, noting.env) as running:
            noting.produce("pickup", 1)
            _wait_for_lines(path, 1, running)
            path.unlink()
            jobs = context.plan.pickup_jobs + _WARM_UP
            noting.produce("pickup", jobs)
            lines = _wait_for_lines(path, jobs, running)
    return [int(line) / 1e6 for line in lines[_WARM_UP:]]


def _wait_for_lines(path: Path, count: int, running: Workers) -> list[str]:
    deadline = time.monotonic() + _LONGEST_S
    while True:
        lines = path.read_text().splitlines() if path.exists() else []
        if len(lines) >= count:
            return lines
        running.check()
        if time.monotonic() > deadline:
            raise BenchError(f"only {len(lines)} of {count} jobs have started")
        time.sleep(0.05)
