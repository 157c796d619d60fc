"""A scrape of the exporter with 1,000,000 jobs stored in the platform's ten queues, 100,000 each: most waiting, a tenth
each completed, failed (with a traceback each) and delayed, 1,000 active; 1,000 schedules of callers and one of an actor
a queue; twenty worker processes. One scrape after the other, Redis' round trip and the text in OpenMetrics included;
once without the estimate of the queues' memory, as three of four scrapes are that come every 15 s, and once with it.
The quick run stores fewer jobs and says so."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from bench.context import Context
from bench.rows import Outcome, at_most, info
from bench.stored import StoredQueue
from callboard.catalogue import default_queues
from callboard.schedules.definition import define
from callboard.schedules.state import API, DECLARED
from callboard.settings import Settings
from callboard.store.store import Store, open_store
from callboard.verbs import fleet, schedules
from callboard.verbs.fleet import WorkerRecord
from middleware.metrics.queues import QueueCollector

_SCRAPES, _WITH_MEMORY, _LIMIT_MS = 300, 60, 50.0

#: As Prometheus asks for it.
_encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0")

_ACTIVE, _SCHEDULES, _WORKERS = 1_000, 1_000, 20


def measure(context: Context) -> Outcome:
    """Store, then scrape."""
    context.server.fresh()
    stored = context.plan.stored_jobs
    names = list(default_queues())
    for name in names:
        with closing(StoredQueue(context, name)) as queue:
            _fill(queue, stored // len(names))
    note = f"{stored:,} jobs stored"
    context.say(f"scrape: {note}")
    with ExitStack() as stack:
        store = open_store(Settings.model_validate({"redis_url": context.server.url}))
        stack.callback(store.close)
        _surround(store, names)
        kept = _registry(store)
        series = _encode(kept)  # also loads the scripts, and estimates the memory
        usual = context.undisturbed(partial(_scrapes, [kept] * _SCRAPES))
        estimating = context.undisturbed(lambda: _scrapes([_registry(store) for _ in range(_WITH_MEMORY)]))
    count = sum(not line.startswith(b"#") for line in series.splitlines())
    bound = f"25 a queue, 3 a worker process, 2 an actor's schedule, 14: {_WORKERS} processes, {len(names)} schedules"
    rows = [
        at_most("scrape of ten queues, p50", statistics.median(usual), "ms", _LIMIT_MS, note),
        info("scrape of ten queues, p99", _p99(usual), "ms", note),
        info("scrape that estimates memory, p99", _p99(estimating), "ms", note),
        info("series of the exporter", count, "", bound),
    ]
    return Outcome(rows, {"scrape_p50_ms": statistics.median(usual), "scrape_p99_ms": _p99(usual)})


def _fill(queue: StoredQueue, jobs: int) -> None:
    tenth = jobs // 10
    active = min(_ACTIVE, tenth)
    queue.add_ended("completed", tenth)
    queue.add_ended("failed", tenth)
    queue.add_active(active)
    queue.add_delayed(tenth)
    queue.add("waiting", jobs - 3 * tenth - active)


def _surround(store: Store, queues: Sequence[str]) -> None:
    """Worker processes, and schedules."""
    for slot in range(_WORKERS):
        record = WorkerRecord(f"bench-{slot}", "bench", 1, slot, list(queues), 8, 0, "1", slot)
        fleet.beat(store, record, changed=True, look=False)
    now_s = schedules.now_ms(store) // 1000
    for name in queues:
        mine = define(name, f"noop.{name}", id=f"noop.{name}", cron="* * * * *")
        schedules.put(store, mine, DECLARED, now_s + 3_600)
    for i in range(_SCHEDULES):
        schedules.put(store, define(queues[0], f"noop.{queues[0]}", id=f"s{i}", every=3_600), API, now_s + 3_600)


def _registry(store: Store) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(QueueCollector(store, "ops_api"))
    return registry


def _scrapes(registries: Sequence[CollectorRegistry]) -> list[float]:
    """How long a scrape of each took (ms)."""
    took = []
    for registry in registries:
        begun = time.perf_counter()
        _encode(registry)
        took.append(1000 * (time.perf_counter() - begun))
    return took


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100)[98]
