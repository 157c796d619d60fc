"""Bytes of Redis memory a waiting job with a payload of 280 bytes: the growth of used_memory from an empty server,
scripts loaded, to one with all jobs waiting and no producer connected, divided by the jobs. Every system adds with its
default options: Callboard by QueueService (its short ids) and by send() (Dramatiq's 36-character ids), BullMQ by
addBulk (numbers as ids), and with the retry options that every Callboard job carries by default; stock Dramatiq for
information. The ratios are to BullMQ with its defaults."""

from __future__ import annotations

from bench.context import Context
from bench.rows import Outcome, at_most, info
from bench.systems import System


def measure(context: Context) -> Outcome:
    """Each system once: the figure does not vary."""
    callboard, bullmq = context.callboard(), context.bullmq()
    theirs = _bytes_a_job(context, bullmq, "bulk")
    theirs_with_options = _bytes_a_job(context, bullmq, "bulk", retry_options=True)
    short = _bytes_a_job(context, callboard, "bulk")
    sent = _bytes_a_job(context, callboard, "send")
    stock = _bytes_a_job(context, context.dramatiq_as_shipped(), "send")
    note = f"{context.plan.memory_jobs:,} jobs"
    rows = [
        info("memory a waiting job, BullMQ", theirs, "bytes", note),
        info("memory a waiting job, BullMQ with retry options", theirs_with_options, "bytes", note),
        info("memory a waiting job, Dramatiq", stock, "bytes", note),
        info("memory a waiting job, Callboard, short ids", short, "bytes", note),
        info("memory a waiting job, Callboard, send()", sent, "bytes", note),
        at_most("memory, Callboard short ids / BullMQ", short / theirs, "×", 0.85),
        at_most("memory, Callboard send() / BullMQ", sent / theirs, "×", 0.9),
    ]
    return Outcome(rows, {"bytes_per_waiting_job": short, "bullmq_bytes_per_waiting_job": theirs})


def _bytes_a_job(context: Context, system: System, mode: str, **request: bool) -> float:
    jobs, server = context.plan.memory_jobs, context.server
    server.fresh()
    system.produce(mode, 1, **request)
    server.fresh()
    before = server.info("memory")["used_memory"]
    system.produce(mode, jobs, **request)
    server.alone()
    used = (server.info("memory")["used_memory"] - before) / jobs
    context.say(f"memory: {system.name} {mode} {used:.0f} bytes a job")
    return float(used)
