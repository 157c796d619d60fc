"""What a worker process costs while there is nothing to do: one process of eight threads with an actor on each of the
ten default queues, after three seconds to settle. CPU time is that of the process that runs jobs; commands are Redis's
own count (total_commands_processed, which counts those inside scripts too) without the harness's."""

from __future__ import annotations

import time

from bench.context import Context
from bench.processes import workers
from bench.rows import BenchError, Outcome, below, info
from bench.systems import System
from callboard.catalogue import default_queues
from callboard.keys import deployment_key

_SETTLE_S = 3.0
_START_S = 15.0


def measure(context: Context) -> Outcome:
    """One worker process over ten queues."""
    context.server.fresh()
    system = _over_ten_queues(context.callboard(processes=1))
    with workers(system.workers, system.env) as running:
        _wait_for_worker(context)
        time.sleep(_SETTLE_S)
        context.server.client.config_resetstat()
        cpu, commands, start = running.cpu_seconds(), _commands(context), time.monotonic()
        time.sleep(context.plan.idle_seconds)
        # The first INFO is in the second's count, the second is not yet.
        commands = _commands(context) - commands - 1
        taken = time.monotonic() - start
        cpu = running.cpu_seconds() - cpu
        running.check()
        calls = context.server.info("commandstats")
        rss = running.rss()
    note = f"{taken:.0f} s over ten queues"
    context.say(f"idle: {100 * cpu / taken:.2f} % of a core, {commands / taken:.1f} commands/s")
    return Outcome(
        [
            below("idle worker, CPU", 100 * cpu / taken, "% of a core", 2.0, note),
            below("idle worker, Redis commands", commands / taken, "commands/s", 30.0, f"{note}: {_most(calls)}"),
            info("idle worker, memory", rss / 2**20, "MiB", note),
        ]
    )


def _over_ten_queues(system: System) -> System:
    """The same worker with an actor on every queue of the default catalogue, and no other queue."""
    queues = ",".join(default_queues())
    return system.with_env(BENCH_QUEUES=queues, CALLBOARD_QUEUES="{}")


def _wait_for_worker(context: Context) -> None:
    """Wait until a worker has its record in Redis."""
    deadline = time.monotonic() + _START_S
    while not context.server.client.exists(deployment_key("callboard", "workers")):
        if time.monotonic() > deadline:
            raise BenchError("the idle worker did not register")
        time.sleep(0.05)


def _commands(context: Context) -> int:
    return int(context.server.info("stats")["total_commands_processed"])


def _most(calls: dict[str, dict[str, float]]) -> str:
    """The commands that were called most in the time, for whoever wants to lower the count."""
    counts = ((int(stats["calls"]), name.removeprefix("cmdstat_")) for name, stats in calls.items())
    often = sorted(counts, reverse=True)
    return ", ".join(f"{name} {count}" for count, name in often[:5])
