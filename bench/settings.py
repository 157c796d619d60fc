"""Which setting is best for each system (`bin/bench --only settings`; not part of a full run). The same throughput
measurement over a list of candidates, once each, in turn. What was found is in ``context``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench import systems
from bench.context import Context
from bench.rows import Outcome, info
from bench.systems import System
from bench.throughput import rate

#: processes, threads, prefetch (None: Dramatiq's default of 2 × threads)
_DRAMATIQ: tuple[tuple[int, int, int | None], ...] = (
    (2, 8, None), (1, 8, None), (3, 8, None), (2, 4, None), (2, 16, None), (2, 32, None),
    (2, 8, 64), (2, 16, 64), (2, 16, 200), (2, 32, 200),
)  # fmt: skip
#: processes, concurrency
_BULLMQ = ((1, 50), (1, 100), (1, 300), (2, 50), (2, 100))
#: processes, threads
_CALLBOARD = ((1, 8), (2, 4), (2, 8), (2, 16), (3, 8))


def measure(context: Context) -> Outcome:
    """Every candidate of every system."""
    outcome = Outcome()
    for system, jobs, mode in _candidates(context):
        speed, used = context.undisturbed(partial(rate, context, system, jobs, mode))
        context.say(f"settings: {system.name} {speed:,.0f}/s, {used:.0f} µs CPU a job")
        outcome.rows.append(info(f"settings, {system.name}", speed, "jobs/s", f"{used:.0f} µs CPU a job"))
    return outcome


def _candidates(context: Context) -> Iterator[tuple[System, int, str]]:
    server, payloads, plan = context.server, context.payloads, context.plan
    for processes, threads, prefetch in _DRAMATIQ:
        yield systems.dramatiq(server, payloads, processes, threads, prefetch), plan.dramatiq_jobs, "send"
    for processes, concurrency in _BULLMQ:
        yield systems.bullmq(server, payloads, context.bullmq_folder, processes, concurrency), plan.jobs, "bulk"
    for processes, threads in _CALLBOARD:
        for log in (True, False):
            yield systems.callboard(server, payloads, processes, threads, log=log), plan.jobs, "bulk"
