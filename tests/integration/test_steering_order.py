"""Ids and priorities stay with a job whichever way it comes back, and equals keep their order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callboard.verbs.bulk import JobFilter
from tests.support.engine import Engine
from tests.support.steering import HOUR, Desk, payload

#: Three priorities; the ids say which, and in which order they were added.
JOBS = {"9-a": 9, "1-a": 1, "5-a": 5, "9-b": 9, "1-b": 1, "5-b": 5}
IN_ORDER = ["1-a", "1-b", "5-a", "5-b", "9-a", "9-b"]


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def add_all(desk: Desk, delay: int = 0) -> None:
    for at, (job_id, priority) in enumerate(JOBS.items()):
        desk.engine.add(job_id, priority=priority, delay=delay and delay + at, payload=payload())


def started(desk: Desk) -> list[str]:
    """All jobs run, one after the other, in the order in which they start."""
    order = []
    while got := desk.worker.fetch():
        order += got
    return order


def fail_all(desk: Desk) -> None:
    for job_id in desk.worker.fetch(len(JOBS)):
        desk.worker.finish(job_id, "f", reason="broken")


def retried_one_by_one(desk: Desk) -> None:
    add_all(desk)
    fail_all(desk)
    for job_id in JOBS:
        desk.service.retry_job("q", job_id)


def retried_all(desk: Desk) -> None:
    add_all(desk)
    fail_all(desk)
    assert desk.service.retry_all("q") == 6


def promoted_one_by_one(desk: Desk) -> None:
    add_all(desk, delay=HOUR)
    for job_id in JOBS:
        desk.service.promote_job("q", job_id)


def promoted_all(desk: Desk) -> None:
    add_all(desk, delay=HOUR)
    assert desk.service.promote_all("q") == 6


def due(desk: Desk) -> None:
    add_all(desk, delay=HOUR)
    desk.engine.warp(2 * HOUR)


def rescheduled_to_now(desk: Desk) -> None:
    add_all(desk, delay=HOUR)
    for job_id in JOBS:
        desk.service.reschedule_job("q", job_id, delay=0)


def swept(desk: Desk) -> None:
    add_all(desk)
    desk.engine.worker().fetch(0, ahead=6)
    desk.engine.warp(desk.engine.spec.lease_ms + 1)
    assert len(desk.engine.sweep().recovered) == 6


def reclaimed(desk: Desk) -> None:
    add_all(desk)
    lost = desk.engine.worker()
    lost.fetch(6)
    lost.held.clear()
    assert lost.reclaim() == 6


def released(desk: Desk) -> None:
    add_all(desk)
    other = desk.engine.worker()
    other.fetch(0, ahead=6)
    assert other.release(*other.held) == "111111"


def retried_by_attempts(desk: Desk) -> None:
    add_all(desk)
    for job_id in desk.worker.fetch(6):
        desk.worker.finish(job_id, "r", delay=0)


WAYS: list[Callable[[Desk], None]] = [
    retried_one_by_one, retried_all, promoted_one_by_one, promoted_all, due, rescheduled_to_now, swept, reclaimed,
    released, retried_by_attempts,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_jobs_come_back_with_their_ids_in_order_of_priority_and_add(desk: Desk, way: Callable[[Desk], None]) -> None:
    way(desk)
    assert started(desk) == IN_ORDER
    assert {i: r.priority for i, r in desk.engine.snapshot().records.items()} == JOBS


def test_a_retried_job_lines_up_behind_its_equals(desk: Desk) -> None:
    failed = desk.put("failed", priority=5)
    first, second = desk.put("waiting"), desk.put("waiting")
    desk.service.retry_job("q", failed)
    assert desk.of("waiting") == [first, second, failed]


def test_a_released_job_takes_its_old_place_before_its_equals(desk: Desk) -> None:
    first, second = desk.put("waiting"), desk.put("waiting")
    assert desk.worker.fetch(0, ahead=1) == [first]
    assert desk.worker.release(first) == "1"
    assert desk.of("waiting") == [first, second]


def test_reprioritising_moves_a_waiting_job_behind_its_new_equals(desk: Desk) -> None:
    desk.engine.add("slow", "slow-2", priority=7)
    desk.engine.add("fast", priority=3)
    assert desk.service.reprioritise_job("q", "slow-2", 3) == "done"
    assert started(desk) == ["fast", "slow-2", "slow"]


def test_a_delayed_job_waits_at_the_priority_it_was_given_meanwhile(desk: Desk) -> None:
    desk.engine.add("later", priority=7, delay=HOUR)
    desk.engine.add("usual", priority=5)
    desk.service.reprioritise_job("q", "later", 1)
    desk.engine.warp(2 * HOUR)
    assert started(desk) == ["later", "usual"]


def test_workspaces_take_turns_also_among_retried_jobs(make_engine: Callable[..., Engine]) -> None:
    desk = Desk(make_engine(fair=True))
    desk.engine.add("a1", "a2", "a3", workspace="acme")
    desk.engine.add("b1", workspace="bolt")
    for job_id in desk.worker.fetch(4):
        desk.worker.finish(job_id, "f")
    assert desk.service.retry_all("q", only=JobFilter(workspace="acme")) == 3
    assert desk.service.retry_all("q") == 1
    assert started(desk) == ["a1", "b1", "a2", "a3"]


def test_what_waits_again_wakes_an_idle_worker_unless_the_queue_is_paused(desk: Desk) -> None:
    failed, later = desk.put("failed"), desk.put("delayed")
    for verb, job_id in (("retry", failed), ("promote", later)):
        desk.engine.take_mark()
        desk.verb(verb, job_id)
        assert desk.engine.take_mark(), verb
    other = desk.put("delayed")
    desk.service.pause_queue("q")
    desk.verb("promote", other)
    assert not desk.engine.take_mark()


def test_a_job_that_becomes_due_earlier_than_all_wakes_a_worker(desk: Desk) -> None:
    desk.put("delayed", "a")
    desk.put("delayed", "b", delay=2 * HOUR)
    desk.engine.take_mark()
    desk.service.reschedule_job("q", "b", delay=3 * 3600)
    assert not desk.engine.take_mark()
    desk.service.reschedule_job("q", "b", delay=60)
    assert desk.engine.take_mark()
