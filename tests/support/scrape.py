"""What a scrape exposes, read back; and worker processes and schedules as the exporter finds them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from callboard.keys import deployment_key
from callboard.schedules.definition import define
from callboard.schedules.state import DECLARED
from callboard.settings import Settings
from callboard.store.store import Store
from callboard.verbs import fleet, schedules
from callboard.verbs.fleet import WorkerRecord
from callboard.verbs.measures import note_canary
from middleware.metrics.queues import QueueCollector
from tests.support.schedules import NEVER, Timetable

SUCCESS = "callboard_exporter_collect_success"


class Scrape:
    """What one scrape exposed."""

    def __init__(self, collector: QueueCollector) -> None:
        registry = CollectorRegistry()
        registry.register(collector)
        self.text = generate_latest(registry).decode()
        self.series: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in text_string_to_metric_families(self.text):
            for sample in family.samples:
                key = sample.name, frozenset(sample.labels.items())
                assert key not in self.series, f"{key} is exposed twice"
                self.series[key] = sample.value

    def value(self, metric: str, **labels: str) -> float:
        """One series, which must be there."""
        key = metric, frozenset(labels.items())
        assert key in self.series, f"there is no {metric} {labels} in\n{self.text}"
        return self.series[key]

    def all(self, metric: str) -> list[dict[str, str]]:
        """The labels of all series of a metric."""
        return [dict(labels) for name, labels in self.series if name == metric]

    def names(self) -> set[str]:
        """The metrics that have a series."""
        return {name for name, _ in self.series}

    def success(self) -> dict[str, float]:
        """Which parts succeeded."""
        return {labels["collector"]: self.value(SUCCESS, **labels) for labels in self.all(SUCCESS)}


def scrape(store: Store) -> Scrape:
    return Scrape(QueueCollector(store, "ops_api"))


def put_worker(store: Store, id: str, *, slot: int = 0, host: str = "web", **fields: Any) -> WorkerRecord:
    """A worker process that speaks now."""
    record = WorkerRecord(id, host, 1, slot, ["q"], 8, 3, "1", started_ms=slot + 1)
    record = replace(record, **fields)
    fleet.beat(store, record, changed=True, look=False)
    return record


def fall_silent(store: Store, id: str, ms: int = 60_000) -> None:
    """Let a process have spoken so long ago for the last time (ms)."""
    store.execute("ZINCRBY", deployment_key(store.settings.prefix, "beats"), -ms, id)


def declare(table: Timetable, actor: str, **given: Any) -> None:
    """An actor's own schedule, that ticks by itself in no test."""
    definition = define("q", actor, **{"every": NEVER, "id": actor, **given})
    schedules.put(table.store, definition, DECLARED, table.now_s() + NEVER)


def everything(settings: Settings) -> Timetable:
    """A deployment of which every metric has a series, and one of each but for the queues, ``q`` and ``r``: a worker
    process, a schedule that an actor declares and that has run, which is the canary of ``q`` and got through."""
    table = Timetable(settings)
    put_worker(table.store, "w")
    table.publish(canary_q="q")
    declare(table, "canary_q")
    table.put_back("canary_q", last=table.now_s() - 30)
    note_canary(table.store, "q", "canary_q")
    table.ticker().page()
    return table
