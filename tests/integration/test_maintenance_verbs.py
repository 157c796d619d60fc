"""The verbs under maintenance, on each kind of server: notes of health, reports, locks, counting what is old."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callboard.errors import InvalidOption, StoreUnavailable
from callboard.health import Health, QueueHealth, Status, overall
from callboard.service import QueueService
from callboard.store.store import Store, open_store
from callboard.verbs import health, locks, reports
from callboard.verbs.fleet import WorkerRecord, beat
from tests.conftest import SettingsMaker
from tests.support.engine import Engine
from tests.support.redis_server import free_port
from tests.support.steering import HOUR, Desk
from tests.support.wait import wait_until


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def finding(status: Status, looked_ms: int, *reasons: str) -> Health:
    return overall([QueueHealth("q", status, list(reasons), looked_ms)], workers=1)


def changes(desk: Desk) -> list[dict[str, Any]]:
    return [event.detail for event in desk.service.get_events("q") if event.type == "queue_health_changed"]


def live_worker(store: Store, *queues: str) -> None:
    record = WorkerRecord("w", "host", 1, 0, list(queues), threads=1, busy=0, version="1", started_ms=0)
    beat(store, record, changed=True, look=False)


# -- health


def test_health_is_looked_up_from_stats_and_live_workers(desk: Desk) -> None:
    assert desk.service.get_queue_health("q").status == "healthy"
    desk.engine.add("a")
    found = desk.service.get_queue_health("q")
    assert (found.status, found.reasons) == ("unhealthy", ["no live worker serves the queue, which has 1 waiting"])
    live_worker(desk.service.store, "q")
    assert desk.service.get_queue_health("q").status == "healthy"
    desk.service.pause_queue("q", "upgrade", "ada")
    whole = desk.service.get_health()
    assert (whole.status, whole.redis, whole.workers) == ("unhealthy", True, 1)
    assert [reason.endswith("planned end, by ada (upgrade)") for reason in whole.queues[0].reasons] == [True]


def test_what_is_delayed_beyond_its_time_is_work(desk: Desk) -> None:
    desk.engine.add("a", delay=HOUR)
    assert desk.service.get_queue_health("q").status == "healthy"
    desk.engine.warp(HOUR + 1)
    assert "delayed jobs that are due" in desk.service.get_queue_health("q").reasons[0]


def test_redis_away_is_a_finding(make_settings: SettingsMaker) -> None:
    service = QueueService(make_settings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    found = service.get_health()
    assert (found.status, found.redis, len(found.reasons)) == ("unhealthy", False, 1)
    assert {each.status for each in found.queues} == {"unhealthy"}
    assert service.get_queue_health("maintenance").reasons[0].startswith("Redis is not reachable")
    with pytest.raises(StoreUnavailable):
        service.check_health()
    service.close()


def test_a_change_of_status_is_one_event_with_its_reasons(desk: Desk) -> None:
    store, now = desk.service.store, desk.engine.now()
    assert health.note(store, finding("healthy", now)) == []
    assert health.note(store, finding("degraded", now + 1, "failed: 101 jobs")) == ["q"]
    assert health.note(store, finding("degraded", now + 2, "failed: 102 jobs")) == []
    assert changes(desk) == [{"old": "healthy", "new": "degraded", "reasons": ["failed: 101 jobs"]}]
    noted = desk.service.get_noted_health("q")
    assert noted == health.NotedHealth("q", "degraded", ["failed: 102 jobs"], now + 1, now + 2)
    assert health.note(store, finding("healthy", now + 3)) == ["q"]
    assert changes(desk)[1:] == [{"old": "degraded", "new": "healthy", "reasons": []}]


def test_a_queue_that_is_first_seen_unwell_is_told(desk: Desk) -> None:
    assert desk.service.get_noted_health("q") is None
    desk.engine.add("a")
    assert desk.service.check_health()[1] == ["q"]
    assert [change["new"] for change in changes(desk)] == ["unhealthy"]
    assert desk.service.check_health()[1] == []


def test_of_two_checks_the_later_look_counts(desk: Desk) -> None:
    store, now = desk.service.store, desk.engine.now()
    health.note(store, finding("unhealthy", now - 10, "paused"))
    assert health.note(store, finding("healthy", now - 20)) == []
    assert len(changes(desk)) == 1
    health.note(store, finding("unhealthy", now + HOUR, "paused"))  # the clock has jumped back since
    assert health.note(store, finding("healthy", now)) == ["q"]


def test_other_events_have_no_detail(desk: Desk) -> None:
    desk.engine.add("a")
    assert [(event.type, event.detail) for event in desk.service.get_events("q")] == [("added", {})]


# -- reports


def test_a_report_has_a_line_a_queue(make_settings: SettingsMaker) -> None:
    store = open_store(make_settings(queues={"q": {}, "other": {}}, only_queues=True))
    desk = Desk(Engine(store, "q"))
    desk.put("completed")
    desk.put("failed")
    desk.put("waiting", "w")
    desk.service.pause_queue("other")
    made = desk.service.make_report("r1")
    first, second = made.queues
    assert (first.queue, first.paused, second.queue, second.paused) == ("q", False, "other", True)
    assert {name: count for name, count in first.states.items() if count} == {"waiting": 1, "completed": 1, "failed": 1}
    assert first.last_hour == {"added": 3, "completed": 1, "failed": 1}
    assert first.per_minute == {"added": 0.05, "completed": 0.017, "failed": 0.017}
    assert first.wait_sample == 1
    assert first.wait_p95_s is not None
    assert first.wait_p95_s < 5
    assert (second.wait_p95_s, second.wait_sample, sum(second.states.values())) == (None, 0, 0)
    assert desk.service.get_reports() == [made]
    store.close()


def test_a_wait_begins_when_the_job_could_start(desk: Desk) -> None:
    for minutes, job_id in enumerate(("a", "b"), 1):
        desk.engine.add(job_id, priority=1)
        desk.engine.warp(minutes * 60_000)
        desk.worker.fetch()
        desk.worker.finish(job_id)
    desk.engine.add("c", delay=HOUR)
    desk.engine.warp(HOUR + 30_000)
    assert desk.worker.fetch() == ["c"]
    desk.worker.finish("c")
    waits = sorted(desk.service.store.call("waits", "q", (1_000,)))
    assert [round(wait / 10_000) for wait in waits] == [3, 6, 12]
    assert len(desk.service.store.call("waits", "q", (2,))) == 2


@pytest.mark.parametrize(
    ("values", "expected"), [([7], 7), ([1, 2], 2), (list(range(1, 21)), 19), (list(range(100, 0, -1)), 95)]
)
def test_the_percentile_is_by_nearest_rank(values: list[int], expected: int) -> None:
    assert reports.percentile(values, 95) == expected


def test_a_report_is_kept_once_under_its_id(desk: Desk) -> None:
    first = desk.service.make_report("r1")
    desk.engine.add("a")
    assert desk.service.make_report("r1") == first
    second = desk.service.make_report("r2")
    assert second.queues[0].states["waiting"] == 1
    assert [report.id for report in desk.service.get_reports()] == ["r2", "r1"]
    assert [report.id for report in desk.service.get_reports(limit=1)] == ["r2"]


def test_reports_are_kept_for_a_day(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.service.make_report("r1")
    now = datetime.fromtimestamp(desk.engine.now() / 1000, UTC)
    assert len(desk.service.get_reports(since=now - timedelta(minutes=1))) == 1
    assert desk.service.get_reports(since=now + timedelta(minutes=1)) == []
    monkeypatch.setattr(reports, "KEPT_MS", 1)
    wait_until(lambda: desk.service.get_reports() == [], 5, "the report to be older than it is kept")
    desk.service.make_report("r2")
    monkeypatch.undo()
    assert [report.id for report in desk.service.get_reports()] == ["r2"], "the old one was dropped"


def test_reports_are_bounded_in_number(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "KEPT", 3)
    for i in range(5):
        desk.service.make_report(f"r{i}")
    assert {report.id for report in desk.service.get_reports()} == {"r2", "r3", "r4"}


def test_reading_reports_refuses_what_it_cannot_do(desk: Desk) -> None:
    for wrong in (0, 201):
        with pytest.raises(InvalidOption, match="limit"):
            desk.service.get_reports(limit=wrong)
    with pytest.raises(InvalidOption, match="time zone"):
        desk.service.get_reports(since=datetime(2030, 1, 1))  # noqa: DTZ001 - that is what is refused


# -- locks


def test_one_owner_holds_a_lock(store: Store) -> None:
    mine = locks.take(store, "clean", "job-1", 60_000)
    assert (mine.taken, mine.owner) == (True, "job-1")
    other = locks.take(store, "clean", "job-2", 60_000)
    assert (other.taken, other.owner) == (False, "job-1")
    assert locks.take(store, "another", "job-2", 60_000).taken, "locks of other names are others"
    assert locks.keep(store, mine, 60_000)
    locks.give_back(store, mine)
    assert locks.take(store, "clean", "job-2", 60_000).taken


def test_the_same_owner_takes_it_again_and_the_old_token_is_void(store: Store) -> None:
    died = locks.take(store, "clean", "job-1", 60_000)
    again = locks.take(store, "clean", "job-1", 60_000)
    assert again.taken
    assert not locks.keep(store, died, 60_000)
    locks.give_back(store, died)
    assert not locks.take(store, "clean", "job-2", 60_000).taken, "an attempt that is over gives back nothing"


def test_a_lock_whose_holder_died_expires(store: Store) -> None:
    died = locks.take(store, "clean", "job-1", 1)
    taken = wait_until(lambda: _taken(store, "job-2"), 5, "the lock to expire")
    assert not locks.keep(store, died, 60_000)
    assert locks.keep(store, taken, 60_000)


def _taken(store: Store, owner: str) -> locks.Lock | None:
    lock = locks.take(store, "clean", owner, 60_000)
    return lock if lock.taken else None


# -- what a clean would remove


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled"])
def test_what_is_old_is_counted_as_clean_removes_it(desk: Desk, state: str) -> None:
    desk.put(state, "old")
    desk.engine.warp(HOUR)
    desk.put(state, "new")
    before = desk.engine.snapshot()
    assert [desk.service.count_old_jobs("q", state, age) for age in (0, 3_500, 3_700)] == [2, 1, 0]
    assert desk.engine.snapshot() == before
    assert desk.service.clean_queue("q", state, 3_500) == (["old"], False)


def test_counting_refuses_what_cannot_be_counted(desk: Desk) -> None:
    wrong: list[Callable[[], int]] = [
        lambda: desk.service.count_old_jobs("q", "active", 0),
        lambda: desk.service.count_old_jobs("q", "failed", -1),
    ]
    for call in wrong:
        with pytest.raises(InvalidOption):
            call()
