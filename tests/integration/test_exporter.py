"""The exporter on real servers: its figures are those of the queues, the workers, the schedules."""

from __future__ import annotations

import itertools

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from actors.canary import name_of
from callboard.catalogue import default_queues
from callboard.keys import deployment_key
from callboard.store.store import Store, open_store
from callboard.verbs import schedules
from callboard.verbs.looking import pause
from callboard.verbs.measures import note_canary
from middleware.metrics.exported import FAMILIES
from middleware.metrics.queues import PARTS, QueueCollector
from tests.conftest import SettingsMaker
from tests.support.engine import Engine
from tests.support.schedules import Timetable, add
from tests.support.scrape import declare, fall_silent, put_worker, scrape

HOUR = 3_600_000

#: States of a job that are told apart.
STATES = ("waiting", "delayed", "active", "blocked", "completed", "failed", "cancelled")

#: What is zero of a queue that nobody has used.
ZERO = (
    "callboard_jobs_added_total", "callboard_queue_workers", "callboard_queue_slots", "callboard_queue_memory_bytes",
    "callboard_queue_paused", "callboard_outbox_messages", "callboard_queue_oldest_waiting_age_seconds",
    "callboard_queue_oldest_active_age_seconds",
)  # fmt: skip

#: What has no value before it has happened.
ABSENT = {
    "callboard_canary_last_completed_timestamp_seconds", "callboard_worker_threads",
    "callboard_scheduler_last_tick_timestamp_seconds",
}  # fmt: skip


# What is exposed


def test_every_metric_of_the_table_is_exposed_and_no_other(exported: Timetable) -> None:
    assert scrape(exported.store).names() == {family.exposed for family in FAMILIES}


def test_labels_are_those_of_the_table(exported: Timetable) -> None:
    found = scrape(exported.store)
    for family in FAMILIES:
        for labels in found.all(family.exposed):
            assert set(labels) == set(family.labels), family.name


def test_it_is_openmetrics_as_well(exported: Timetable) -> None:
    registry = CollectorRegistry()
    registry.register(QueueCollector(exported.store, "ops_api"))
    families = {family.name: family for family in text_string_to_metric_families(generate_latest(registry).decode())}
    assert set(families) == {family.name for family in FAMILIES}
    assert {name: family.type for name, family in families.items()} == {each.name: each.kind for each in FAMILIES}


def test_every_queue_is_there_from_the_first_scrape(store: Store) -> None:
    found = scrape(store)
    assert found.success() == dict.fromkeys(PARTS, 1.0)
    for queue, spec in default_queues().items():
        assert {found.value("callboard_queue_jobs", queue=queue, state=state) for state in STATES} == {0}
        assert {metric: found.value(metric, queue=queue) for metric in ZERO} == dict.fromkeys(ZERO, 0)
        assert found.value("callboard_queue_wait_target_seconds", queue=queue) == spec.wait_target_ms / 1000
        assert found.value("callboard_queue_time_limit_seconds", queue=queue) == spec.time_limit_ms / 1000
    assert len(found.all("callboard_queue_jobs")) == len(STATES) * len(default_queues())
    assert not ABSENT & found.names()


def test_jobs_of_every_state_are_counted(engine: Engine) -> None:
    engine.add(*"acfxr", "w1", "w2")
    engine.add("d", delay=HOUR)
    worker = engine.worker()
    worker.fetch(5)
    retry = {"delay": 2 * HOUR, "outbox": [("other", "m", b"", 5, "", 0)]}
    worker.cycle(("c", "c"), ("f", "f"), ("x", "x"), ("r", "r", retry))
    pause(engine.store, "q")
    engine.do("ZADD", "held", 1, "h")
    engine.do("ZADD", "blocked", 1, "b")
    engine.checked = False  # the two are without a job

    found = scrape(engine.store)
    jobs = {state: found.value("callboard_queue_jobs", queue="q", state=state) for state in STATES}
    assert jobs == {
        "waiting": 3, "delayed": 2, "active": 1, "blocked": 1, "completed": 1, "failed": 1, "cancelled": 1,
    }  # fmt: skip
    totals = {"added": 8, "completed": 1, "failed": 1, "cancelled": 1, "retried": 1, "stalled": 0, "deduplicated": 0}
    assert {name: found.value(f"callboard_jobs_{name}_total", queue="q") for name in totals} == totals
    assert found.value("callboard_outbox_messages", queue="q") == 1
    assert found.value("callboard_queue_paused", queue="q") == 1
    assert found.value("callboard_queue_memory_bytes", queue="q") > 1_000


def test_stalls_and_stale_finishes_are_counted(engine: Engine) -> None:
    engine.add("a")
    worker = engine.worker()
    worker.fetch()
    engine.warp(HOUR)
    engine.sweep()
    worker.finish("a")
    found = scrape(engine.store)
    assert found.value("callboard_jobs_stalled_total", queue="q") == 1
    assert found.value("callboard_jobs_stale_finishes_total", queue="q") == 1


def test_ages_are_those_of_the_oldest(engine: Engine) -> None:
    engine.add("running")
    worker = engine.worker()
    worker.fetch()
    engine.add("waiting")
    engine.warp(HOUR)
    engine.add("reserved", priority=1)
    worker.fetch(0, ahead=1)
    engine.add("younger", priority=1)
    found = scrape(engine.store)
    for metric in ("callboard_queue_oldest_waiting_age_seconds", "callboard_queue_oldest_active_age_seconds"):
        assert 3600 <= found.value(metric, queue="q") < 3610, metric


def test_a_job_that_is_only_reserved_does_not_run(engine: Engine) -> None:
    engine.add("a")
    assert engine.worker().fetch(0, ahead=1) == ["a"]
    engine.warp(HOUR)
    found = scrape(engine.store)
    assert found.value("callboard_queue_jobs", queue="q", state="active") == 1
    assert found.value("callboard_queue_oldest_active_age_seconds", queue="q") == 0


def test_scraping_changes_nothing(engine: Engine) -> None:
    engine.add("a", "b")
    engine.worker().fetch()
    before = engine.snapshot()
    scrape(engine.store)
    assert engine.snapshot() == before


# Workers


def test_slots_respect_the_limit_of_a_queue(make_settings: SettingsMaker) -> None:
    with_limit = {"q": {"max_per_process": 2}, "r": {}, "unserved": {}}
    store = open_store(make_settings(queues=with_limit, only_queues=True))
    put_worker(store, "a", slot=0, queues=["q", "r"], threads=8)
    put_worker(store, "b", slot=1, queues=["q"], threads=1)
    put_worker(store, "c", slot=2, queues=["q", "r", "of another catalogue"], threads=4)
    found = scrape(store)
    metrics = ("callboard_queue_workers", "callboard_queue_slots")
    told = {queue: [found.value(metric, queue=queue) for metric in metrics] for queue in with_limit}
    assert told == {"q": [3, 2 + 1 + 2], "r": [2, 12], "unserved": [0, 0]}
    assert found.value("callboard_worker_threads", worker="web-0") == 8
    assert found.value("callboard_worker_threads_busy", worker="web-0") == 3
    store.close()


def test_a_process_that_fell_silent_serves_nobody_and_its_last_word_is_told(engine: Engine) -> None:
    put_worker(engine.store, "a")
    fall_silent(engine.store, "a", 60_000)
    found = scrape(engine.store)
    assert found.value("callboard_queue_workers", queue="q") == 0
    heard = found.value("callboard_worker_last_heartbeat_timestamp_seconds", worker="web-0")
    assert engine.now() / 1000 - heard == pytest.approx(60, abs=5)
    assert not found.all("callboard_worker_threads")


def test_processes_in_one_place_are_told_apart(engine: Engine) -> None:
    for started, worker in enumerate("ab"):
        put_worker(engine.store, worker, started_ms=started, threads=started + 1)
    found = scrape(engine.store)
    assert [found.value("callboard_worker_threads", worker=name) for name in ("web-0", "web-0-2")] == [1, 2]


# Schedules and canaries


def test_declared_schedules_are_named_and_the_others_counted(table: Timetable) -> None:
    for name in ("own", "idle"):
        table.publish(**{name: "q"})
        declare(table, name)
    add(table, "late")
    add(table, "on-time")
    add(table, "paused")
    last = table.now_s() - 100
    table.put_back("own", last=last)
    table.put_back("late", next=last)
    table.put_back("paused")
    table.service.pause_schedule("paused")
    table.service.pause_schedule("idle")

    found = scrape(table.store)
    assert found.value("callboard_schedules_overdue") == 1
    assert found.all("callboard_schedule_last_run_timestamp_seconds") == [{"schedule": "own"}]
    assert found.value("callboard_schedule_last_run_timestamp_seconds", schedule="own") == last
    expected = found.all("callboard_schedule_interval_seconds")
    assert expected == [{"schedule": "own"}], "nothing is expected of a paused one"


def test_a_callers_schedule_with_the_name_of_an_actor_is_not_declared(table: Timetable) -> None:
    add(table, "work")  # an actor of the timetable
    table.put_back("work", last=table.now_s() - 100)
    found = scrape(table.store)
    assert found.value("callboard_schedules_overdue") == 1
    assert not found.all("callboard_schedule_last_run_timestamp_seconds")


def test_a_schedule_that_is_due_is_not_overdue_at_once(table: Timetable) -> None:
    add(table, "s")
    table.put_back("s")
    times = deployment_key(table.settings.prefix, "schedule_times")
    table.store.execute("ZADD", times, table.now_s() * 1000 - 55_000, "s")
    assert scrape(table.store).value("callboard_schedules_overdue") == 0
    table.store.execute("ZADD", times, table.now_s() * 1000 - 61_000, "s")
    assert scrape(table.store).value("callboard_schedules_overdue") == 1


def test_a_schedule_that_left_a_queue_is_not_overdue(table: Timetable) -> None:
    table.store.execute("ZADD", deployment_key(table.settings.prefix, "schedule_times"), 1, "q/gone")
    assert scrape(table.store).value("callboard_schedules_overdue") == 0


def test_more_schedules_than_are_looked_at_are_counted(table: Timetable) -> None:
    rows = list(itertools.chain.from_iterable((1, f"s{i}") for i in range(1_500)))
    table.store.execute("ZADD", deployment_key(table.settings.prefix, "schedule_times"), *rows)
    found = scrape(table.store)
    assert found.value("callboard_schedules_overdue") == 1_500
    assert not found.all("callboard_schedule_interval_seconds")


def test_the_last_look_at_the_schedules_is_told(table: Timetable) -> None:
    metric = "callboard_scheduler_last_tick_timestamp_seconds"
    assert metric not in scrape(table.store).names()
    before = schedules.now_ms(table.store)
    table.ticker().page()
    assert before / 1000 <= scrape(table.store).value(metric) <= schedules.now_ms(table.store) / 1000


def test_a_canary_tells_when_it_got_through(table: Timetable) -> None:
    metric = "callboard_canary_last_completed_timestamp_seconds"
    table.publish(**{name_of("q"): "q"})
    declare(table, name_of("q"))
    assert metric not in scrape(table.store).names(), "none has got through yet"
    before = table.now_s()
    note_canary(table.store, "q", name_of("q"))
    found = scrape(table.store)
    assert before <= found.value(metric, queue="q") <= table.now_s() + 1
    assert found.all(metric) == [{"queue": "q"}]


@pytest.mark.parametrize("end", ["delete_schedule", "pause_schedule"])
def test_a_canary_that_is_not_expected_any_more_is_not_told(table: Timetable, end: str) -> None:
    table.publish(**{name_of("q"): "q"})
    declare(table, name_of("q"))
    note_canary(table.store, "q", name_of("q"))
    getattr(table.service, end)(name_of("q"))
    assert "callboard_canary_last_completed_timestamp_seconds" not in scrape(table.store).names()
