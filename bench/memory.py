"""Bytes of Redis memory a waiting job with a payload of 280 bytes: the growth of used_memory from an empty server,
scripts loaded, to one with all jobs waiting and no producer connected, divided by the jobs. Every system adds with its
default options: Callboard by QueueService (its short ids) and by send() (Dramatiq's 36-character ids), BullMQ by
addBulk (numbers as ids), and with the retry options that every Callboard job carries by default; stock Dramatiq for
information. The ratios are to BullMQ with its defaults. BullMQ keeps a hash a job, and whether Redis ends to resize
such a hash depends on the seed that it draws at its start: the figure is 32 bytes less on some starts. So its median
over several servers counts."""

from __future__ import annotations

import statistics
from dataclasses import replace

from bench.context import Context
from bench.redis_server import redis_server
from bench.rows import Outcome, at_most, info, spread
from bench.systems import System


def measure(context: Context) -> Outcome:
    """BullMQ on servers of its own, the others once on the run's: their figures do not vary."""
    several = _bullmq(context)
    theirs = statistics.median(several)
    theirs_with_options = _bytes_a_job(context, context.bullmq(), "bulk", retry_options=True)
    short = _bytes_a_job(context, context.callboard(), "bulk")
    sent = _bytes_a_job(context, context.callboard(), "send")
    stock = _bytes_a_job(context, context.dramatiq_as_shipped(), "send")
    note = f"{context.plan.memory_jobs:,} jobs"
    rows = [
        info("memory a waiting job, BullMQ", theirs, "bytes", f"{note}, {len(several)} servers: {spread(several)}"),
        info("memory a waiting job, BullMQ with retry options", theirs_with_options, "bytes", note),
        info("memory a waiting job, Dramatiq", stock, "bytes", note),
        info("memory a waiting job, Callboard, short ids", short, "bytes", note),
        info("memory a waiting job, Callboard, send()", sent, "bytes", note),
        at_most("memory, Callboard short ids / BullMQ", short / theirs, "×", 0.85),
        at_most("memory, Callboard send() / BullMQ", sent / theirs, "×", 0.9),
    ]
    return Outcome(rows, {"bytes_per_waiting_job": short, "bullmq_bytes_per_waiting_job": theirs})


def _bullmq(context: Context) -> list[float]:
    """BullMQ's figure on several servers, one after the other."""
    several = []
    for _ in range(context.plan.memory_servers):
        with redis_server(context.server.binary) as server:
            own = replace(context, server=server)
            several.append(_bytes_a_job(own, own.bullmq(), "bulk"))
    return several


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
