"""Jobs added a second by one producer process with nobody at work, payloads of 280 bytes, after a warm-up of 200 jobs.
Bulk: QueueService.add_jobs in batches of 150 against BullMQ's addBulk in batches of 250 and of 1,000, one call after
the other; its better one counts. (Overlapped: four addBulk calls under way at once; for information.) Single:
QueueService.add_job and an actor's send() against stock Dramatiq's send(), one after the other. The systems take
turns; medians over the rounds, ratios as for the throughput."""

from __future__ import annotations

import statistics

from bench.context import Context
from bench.rows import Outcome, at_least, info, median_ratio, spread
from bench.systems import System
from callboard.verbs.add import MAX_BATCH_JOBS


def measure(context: Context) -> Outcome:
    """Bulk adds, then single adds."""
    outcome = _bulk(context)
    outcome.add(_single(context))
    return outcome


def _speed(context: Context, system: System, mode: str, jobs: int, **request: int) -> float:
    def once() -> float:
        context.server.fresh()
        answer = system.produce(mode, jobs, warm=True, **request)
        return float(answer["jobs"] / answer["seconds"])

    return context.undisturbed(once)


def _bulk(context: Context) -> Outcome:
    jobs, bullmq, callboard = context.plan.bulk_jobs, context.bullmq(), context.callboard()
    speeds: dict[str, list[float]] = {"250": [], "1000": [], "overlapped": [], "callboard": []}
    for number in range(context.plan.rounds):
        speeds["250"].append(_speed(context, bullmq, "bulk", jobs, batch=250))
        speeds["callboard"].append(_speed(context, callboard, "bulk", jobs, batch=MAX_BATCH_JOBS))
        speeds["1000"].append(_speed(context, bullmq, "bulk", jobs, batch=1_000))
        speeds["overlapped"].append(_speed(context, bullmq, "bulk", jobs, batch=1_000, in_flight=4))
        context.say(f"bulk add {number + 1}/{context.plan.rounds}: " + _last(speeds))
    best = max(speeds["250"], speeds["1000"], key=statistics.median)
    ratio = median_ratio(speeds["callboard"], best)
    rows = [
        info("bulk add, BullMQ addBulk by 250", statistics.median(speeds["250"]), "jobs/s", spread(speeds["250"])),
        info("bulk add, BullMQ addBulk by 1,000", statistics.median(speeds["1000"]), "jobs/s", spread(speeds["1000"])),
        info(
            "bulk add, BullMQ addBulk by 1,000, four at once",
            statistics.median(speeds["overlapped"]), "jobs/s", spread(speeds["overlapped"]),
        ),
        info(
            f"bulk add, Callboard add_jobs by {MAX_BATCH_JOBS}",
            statistics.median(speeds["callboard"]), "jobs/s", spread(speeds["callboard"]),
        ),
        at_least("bulk add, Callboard / BullMQ", ratio, "×", 1.5, "one call after the other"),
    ]  # fmt: skip
    return Outcome(rows, {"bulk_add_ratio_bullmq": ratio})


def _single(context: Context) -> Outcome:
    jobs = context.plan.single_jobs
    turns = {
        "Dramatiq send": (context.dramatiq_as_shipped(), "send"),
        "Callboard send": (context.callboard(), "send"),
        "Callboard add_job": (context.callboard(), "single"),
        "BullMQ add": (context.bullmq(), "single"),
    }
    speeds: dict[str, list[float]] = {name: [] for name in turns}
    for number in range(context.plan.rounds):
        for name, (system, mode) in turns.items():
            speeds[name].append(_speed(context, system, mode, jobs))
        context.say(f"single add {number + 1}/{context.plan.rounds}: " + _last(speeds))
    rows = [info(f"single add, {name}", statistics.median(of), "jobs/s", spread(of)) for name, of in speeds.items()]
    figures = {}
    for name, key in (("Callboard send", "send"), ("Callboard add_job", "add_job")):
        ratio = median_ratio(speeds[name], speeds["Dramatiq send"])
        rows.append(at_least(f"single add, {name} / Dramatiq send", ratio, "×", 0.9))
        figures[f"{key}_ratio_dramatiq"] = ratio
    return Outcome(rows, figures)


def _last(speeds: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {values[-1]:,.0f}/s" for name, values in speeds.items())
