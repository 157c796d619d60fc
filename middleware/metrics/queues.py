"""The exporter: the state of the queues, the fleet and the schedules, read from Redis when Prometheus scrapes.

Whoever serves it, all replicas tell the same, so rules take the maximum over them. It keeps nothing between two scrapes
but the estimate of the queues' memory. A part that cannot be read is absent and says so in
``callboard_exporter_collect_success``: no figure is ever made up, and a scrape never fails because Redis is away.

With Q queues in the catalogue, W worker processes heard of within ten minutes and S schedules that actors declare, it
exposes at most 25 Q + 3 W + 2 S + 14 series, whatever is stored; a test counts them.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from prometheus_client import Metric
from prometheus_client.registry import Collector

from callboard.naming import named_workers
from callboard.store.store import Store
from callboard.verbs import fleet, measures
from callboard.verbs.measures import DeploymentMeasures, QueueMeasures
from middleware.metrics import reading
from middleware.metrics.asking import ask
from middleware.metrics.exported import FAMILIES, Sheet, empty
from middleware.metrics.reading import Problem

logger = logging.getLogger("callboard.exporter")

#: The parts of a scrape, as ``collector`` names them.
PARTS = ("queues", "memory", "workers", "schedules", "redis")

#: How long an estimate of the queues' memory is told (seconds).
MEMORY_S = 60.0


@dataclass(slots=True)
class _Told:
    """What Redis told, exceptions in the place of what it did not. ``memory``: bytes a queue."""

    queues: dict[str, QueueMeasures | Exception]
    memory: dict[str, int | Exception]
    workers: Any
    deployment: DeploymentMeasures | Exception


class QueueCollector(Collector):
    """What ``exported.FAMILIES`` lists, for a registry of prometheus_client. May be used by several threads."""

    def __init__(self, store: Store, component: Literal["ops_api", "worker"]) -> None:
        """``component``: who serves it, for ``callboard_build_info``. Nothing is asked of Redis before a scrape."""
        self._store = store
        self._component = component
        self._specs = list(store.settings.catalogue.values())
        #: When the memory was estimated (monotonic seconds), and the bytes of each queue.
        self._memory: tuple[float, dict[str, int]] | None = None

    def describe(self) -> Iterator[Metric]:
        """Every metric without samples: what the registry checks names by, without asking Redis."""
        return map(empty, FAMILIES)

    def collect(self) -> Iterator[Metric]:
        """One scrape. Never raises for what Redis says or does not say."""
        begun = time.monotonic()
        told = self._ask()
        asked_s = time.monotonic() - begun
        sheet = Sheet()
        parts: dict[str, Callable[[Sheet], Iterator[Problem]]] = {
            "queues": lambda part: self._queues(part, told), "memory": lambda part: self._put_memory(part, told),
            "workers": lambda part: self._workers(part, told), "schedules": lambda part: self._schedules(part, told),
            "redis": lambda part: self._redis(part, told),
        }  # fmt: skip
        missing: dict[str, list[str]] = defaultdict(list)
        for name in PARTS:
            begun = time.monotonic()
            problems = _put(name, parts[name], sheet)
            for what, why in problems:
                missing[why].append(what)
            sheet.put("callboard_exporter_collect_success", 0 if problems else 1, name)
            took_s = asked_s + time.monotonic() - begun
            sheet.put("callboard_exporter_collect_duration_seconds", took_s, name)
        for why, parts_of in missing.items():
            logger.warning("a scrape went without %s: %s", ", ".join(parts_of), why)
        sheet.put("callboard_build", 1, _version(), self._component)
        return sheet.metrics()

    def _ask(self) -> _Told:
        """Everything in one round trip. The memory is estimated only once a while, and then within the same one."""
        names = [spec.name for spec in self._specs]
        calls = [fleet.workers_call(), measures.deployment_call(), *map(measures.measures_call, names)]
        kept = self._memory
        is_fresh = kept is not None and time.monotonic() - kept[0] < MEMORY_S
        if not is_fresh:
            calls += map(measures.memory_call, names)
        workers, deployment, *replies = ask(self._store, calls)
        memory: dict[str, int | Exception]
        if kept is not None and is_fresh:
            memory = dict(kept[1])
        else:
            memory = dict(zip(names, replies[len(names) :], strict=True))
            sizes = {name: size for name, size in memory.items() if isinstance(size, int)}
            self._memory = (time.monotonic(), sizes) if len(sizes) == len(names) else None
        queues = {name: _read(measures.queue_measures, reply) for name, reply in zip(names, replies, strict=False)}
        return _Told(queues, memory, workers, _read(measures.deployment_measures, deployment))

    def _queues(self, sheet: Sheet, told: _Told) -> Iterator[Problem]:
        for spec in self._specs:
            found = told.queues[spec.name]
            if isinstance(found, Exception):
                yield f"queue {spec.name}", str(found)
            else:
                reading.put_queue(sheet, spec, found)

    def _put_memory(self, sheet: Sheet, told: _Told) -> Iterator[Problem]:
        for name, size in told.memory.items():
            found = told.queues[name] if isinstance(size, int) else size
            if isinstance(found, Exception):
                yield f"memory of {name}", str(found)
            elif isinstance(size, int):
                sheet.put("callboard_queue_memory_bytes", size, name)

    def _workers(self, sheet: Sheet, told: _Told) -> Iterator[Problem]:
        if isinstance(told.workers, Exception):
            yield "workers", str(told.workers)
            return
        now_ms, workers = fleet.workers_seen(told.workers)
        reading.put_workers(sheet, self._specs, named_workers(workers, now_ms, self._store.settings.beat_ms))

    def _schedules(self, sheet: Sheet, told: _Told) -> Iterator[Problem]:
        if isinstance(told.deployment, Exception):
            yield "schedules", str(told.deployment)
            return
        known = {name: found for name, found in told.queues.items() if not isinstance(found, Exception)}
        yield from reading.put_schedules(sheet, told.deployment, known)

    def _redis(self, sheet: Sheet, told: _Told) -> Iterator[Problem]:
        if isinstance(told.deployment, Exception):
            yield "maxmemory_policy", str(told.deployment)
        else:
            yield from reading.put_policy(sheet, told.deployment)


def _put(name: str, part: Callable[[Sheet], Iterator[Problem]], sheet: Sheet) -> list[Problem]:
    """Add a part to the sheet. Returns: what could not be told.

    A part that fails for a reason that nobody foresaw is left out as a whole.
    """
    own = Sheet()
    try:
        problems = list(part(own))
    except Exception as error:
        logger.exception("a part of the metrics failed")
        return [(name, f"{type(error).__name__}: {error}")]
    sheet.merge(own)
    return problems


def _read(reader: Callable[[Any], Any], reply: Any) -> Any:
    """A reply, read; an exception stays one, and so becomes what cannot be read."""
    if isinstance(reply, Exception):
        return reply
    try:
        return reader(reply)
    except Exception as error:
        logger.exception("a reply of Redis could not be read")
        return error


def _version() -> str:
    try:
        return version("callboard")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"
