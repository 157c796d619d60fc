"""The exporter's work and series are bounded, what cannot be read is absent, and replicas agree."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from typing import Any

import pytest

from callboard.keys import deployment_key
from callboard.packing import pack
from callboard.store.store import ClusterStore, Store, open_store
from middleware.metrics import queues
from middleware.metrics.queues import PARTS, QueueCollector
from tests.support.engine import Engine
from tests.support.schedules import Timetable
from tests.support.scrape import Scrape, declare, put_worker, scrape

HOUR = 3_600_000

#: Series that differ between two scrapes although nothing happened.
MOVING = ("callboard_exporter_collect_duration_seconds", "callboard_queue_oldest")


# Bounded work


def test_a_scrape_is_one_round_trip(exported: Timetable, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = QueueCollector(exported.store, "ops_api")
    Scrape(collector)  # the first one loads the scripts
    sent = count_round_trips(exported.store, monkeypatch)
    Scrape(collector)
    is_cluster = isinstance(exported.store, ClusterStore)
    per_queue = len(exported.settings.catalogue)
    assert sent == ([1] * (2 + per_queue) if is_cluster else [2 + per_queue])


def test_the_memory_is_estimated_once_a_minute_and_in_the_same_round_trip(
    exported: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = QueueCollector(exported.store, "ops_api")
    before = Scrape(collector)
    exported.service.add_job("q", "work", {"text": "x" * 10_000})
    memory = "callboard_queue_memory_bytes"
    assert Scrape(collector).value(memory, queue="q") == before.value(memory, queue="q")
    monkeypatch.setattr(queues, "MEMORY_S", 0.0)
    sent = count_round_trips(exported.store, monkeypatch)
    assert Scrape(collector).value(memory, queue="q") > before.value(memory, queue="q") + 5_000
    assert sum(sent) == 2 + 2 * len(exported.settings.catalogue)
    assert isinstance(exported.store, ClusterStore) or len(sent) == 1


def count_round_trips(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by the number of commands of each round trip from now on."""
    sent: list[int] = []
    send = store._send

    def counted(commands: list[tuple[Any, ...]]) -> list[Any]:
        sent.append(len(commands))
        return send(commands)

    monkeypatch.setattr(store, "_send", counted)
    return sent


def test_the_number_of_series_is_bounded_as_it_is_said(exported: Timetable) -> None:
    put_worker(exported.store, "x", slot=1)
    found = scrape(exported.store)
    queues_, workers, declared = len(exported.settings.catalogue), 2, 1
    bound = 25 * queues_ + 3 * workers + 2 * declared + 14
    # Of the two queues one has a canary.
    assert len(found.series) == bound - 1
    assert "25 Q + 3 W + 2 S + 14" in (queues.__doc__ or "")


def test_a_thousand_active_jobs_are_looked_at_and_no_more(engine: Engine) -> None:
    engine.checked = False  # the others have no record
    engine.add("a")
    engine.worker().fetch()
    engine.warp(HOUR)
    engine.do("ZADD", "active", 1_000, "a", *itertools.chain.from_iterable((i, f"b{i}") for i in range(999)))
    found = scrape(engine.store)
    assert found.value("callboard_queue_jobs", queue="q", state="active") == 1_000
    assert found.value("callboard_queue_oldest_active_age_seconds", queue="q") >= 3600
    engine.do("ZADD", "active", 1, "one more")
    assert scrape(engine.store).value("callboard_queue_oldest_active_age_seconds", queue="q") == 0


# What cannot be read


def damaged(exported: Timetable, key: str) -> None:
    """Let one of the deployment's keys or of the queue q's be of another type."""
    prefix = exported.settings.prefix
    name = deployment_key(prefix, key) if key in ("workers", "schedules") else exported.store.key("q", key)
    exported.store.execute("DEL", name)
    exported.store.execute("SET", name, "x")


@pytest.mark.parametrize(("key", "failing", "missing"), [
    ("workers", {"workers"}, {"callboard_queue_workers", "callboard_queue_slots", "callboard_worker_threads"}),
    ("schedules", {"schedules", "redis"}, {"callboard_schedules_overdue", "callboard_redis_maxmemory_policy_info"}),
])  # fmt: skip
def test_a_part_that_fails_is_absent_and_the_others_are_there(
    exported: Timetable, key: str, failing: set[str], missing: set[str]
) -> None:
    damaged(exported, key)
    found = scrape(exported.store)
    assert found.success() == {part: float(part not in failing) for part in PARTS}
    assert not missing & found.names()
    assert found.value("callboard_queue_jobs", queue="q", state="waiting") == 0


def test_a_queue_that_fails_is_absent_and_the_others_are_there(exported: Timetable) -> None:
    damaged(exported, "totals")
    found = scrape(exported.store)
    assert found.success() == {"queues": 0, "memory": 0, "workers": 1, "schedules": 1, "redis": 1}
    assert {labels["queue"] for labels in found.all("callboard_queue_jobs")} == {"r"}
    assert {labels["queue"] for labels in found.all("callboard_queue_wait_target_seconds")} == {"r"}


def test_a_worker_of_a_later_version_is_told_of(exported: Timetable) -> None:
    record = asdict(put_worker(exported.store, "later", slot=1)) | {"what_came_later": 7}
    exported.store.execute("HSET", deployment_key(exported.settings.prefix, "workers"), "later", pack(record))
    found = scrape(exported.store)
    assert found.success()["workers"] == 1
    assert {"worker": "web-1"} in found.all("callboard_worker_threads")


@pytest.mark.parametrize("stored", [b"\xc1", b"x", b"", pack([]), pack([1] * 18)])
def test_a_schedule_that_is_damaged_hides_no_other_and_no_other_part(
    exported: Timetable, stored: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    declare(exported, "canary_r")
    exported.publish(canary_q="q", canary_r="r")
    exported.store.execute("HSET", deployment_key(exported.settings.prefix, "schedules"), "canary_r", stored)
    found = scrape(exported.store)
    assert found.success() == {"queues": 1, "memory": 1, "workers": 1, "schedules": 0, "redis": 1}
    assert found.all("callboard_schedule_interval_seconds") == [{"schedule": "canary_q"}]
    assert "schedules canary_r: damaged" in caplog.text


def test_two_replicas_agree(exported: Timetable) -> None:
    other = open_store(exported.settings)
    one, two = (
        {key: value for key, value in scrape(store).series.items() if not key[0].startswith(MOVING)}
        for store in (exported.store, other)
    )
    other.close()
    assert one == two
