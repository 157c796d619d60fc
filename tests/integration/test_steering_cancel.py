"""cancel and remove against what workers do at the same time, call by call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callboard.errors import JobNotFound, WrongState
from callboard.verbs.bulk import JobFilter
from tests.support.engine import Engine
from tests.support.steering import HOUR, Desk, payload


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def cancels(desk: Desk) -> list[str]:
    """What the worker hears with its next call."""
    return [job_id.decode() for job_id in desk.worker.cycle().cancels]


@pytest.mark.parametrize("outcome", ["f", "r", "d", "x", "b"])
def test_a_told_job_ends_as_cancelled_whatever_its_attempt_died_of(desk: Desk, outcome: str) -> None:
    job_id = desk.put("active")
    assert desk.service.cancel_job("q", job_id, "not wanted") == "told"
    assert cancels(desk) == [job_id]

    assert desk.worker.finish(job_id, outcome, delay=HOUR, reason="died", error=("E", "died", "t")) == "1"

    job = desk.service.get_job("q", job_id)
    assert (job.state, job.reason) == ("cancelled", "not wanted")
    assert job.attempts_made == (0 if outcome == "b" else 1)
    assert not desk.of("delayed")


def test_a_cancel_that_races_the_finish_leaves_a_completed_job_completed(desk: Desk) -> None:
    job_id = desk.put("active")
    desk.service.cancel_job("q", job_id)
    assert desk.worker.finish(job_id, "c", result=b"7", result_ttl=HOUR) == "1"
    assert desk.state(job_id) == "completed"
    assert desk.engine.snapshot().hash("results") == {job_id: b"7"}
    with pytest.raises(WrongState) as refusal:
        desk.service.cancel_job("q", job_id)
    assert refusal.value.state == "completed"


def test_a_cancel_is_told_again_until_the_job_has_ended(desk: Desk) -> None:
    job_id = desk.put("active")
    desk.service.cancel_job("q", job_id)
    assert [cancels(desk), cancels(desk)] == [[job_id], [job_id]]
    desk.worker.finish(job_id, "x")
    assert cancels(desk) == []


def test_only_the_worker_that_runs_a_job_hears_of_its_cancel(desk: Desk) -> None:
    other = desk.engine.worker()
    job_id = desk.put("active")
    desk.service.cancel_job("q", job_id)
    assert other.cycle().cancels == []
    assert cancels(desk) == [job_id]


def test_of_two_cancels_the_first_reason_stays(desk: Desk) -> None:
    job_id = desk.put("active")
    assert [desk.service.cancel_job("q", job_id, why) for why in ("first", "second")] == ["told", "told"]
    desk.worker.finish(job_id, "x")
    assert desk.service.get_job("q", job_id).reason == "first"
    assert desk.service.cancel_job("q", job_id, "third") == "already"


def reserved(desk: Desk) -> str:
    """A job that a worker has fetched ahead and not started."""
    desk.engine.add("ahead", payload=payload())
    assert desk.worker.fetch(0, ahead=1) == ["ahead"]
    return "ahead"


def by_release(desk: Desk) -> None:
    assert desk.worker.release("ahead") == "1"


def by_reclaim(desk: Desk) -> None:
    desk.worker.held.clear()
    assert desk.worker.reclaim() == 1


def by_sweep(desk: Desk) -> None:
    desk.engine.warp(desk.engine.spec.lease_ms + 1)
    assert desk.engine.sweep().recovered == ["ahead"]


def by_finish(desk: Desk) -> None:
    assert desk.worker.finish("ahead", "b") == "1"


WAYS_BACK = [by_release, by_reclaim, by_sweep, by_finish]


@pytest.mark.parametrize("goes_back", WAYS_BACK, ids=lambda way: way.__name__)
def test_a_cancelled_job_that_goes_back_unstarted_ends_and_never_starts(
    desk: Desk, goes_back: Callable[[Desk], None]
) -> None:
    job_id = reserved(desk)
    assert desk.service.cancel_job("q", job_id, "not wanted") == "told"
    goes_back(desk)
    job = desk.service.get_job("q", job_id)
    assert (job.state, job.reason, job.attempts_made, job.attempts) == ("cancelled", "not wanted", 0, [])
    assert desk.engine.worker().fetch() == []


@pytest.mark.parametrize("goes_back", WAYS_BACK, ids=lambda way: way.__name__)
def test_a_job_removed_by_force_that_goes_back_unstarted_is_gone(
    desk: Desk, goes_back: Callable[[Desk], None]
) -> None:
    job_id = reserved(desk)
    assert desk.service.remove_job("q", job_id, force=True) == "told"
    goes_back(desk)
    with pytest.raises(JobNotFound):
        desk.state(job_id)
    assert desk.engine.snapshot().totals == {"added": 1, "cancelled": 1, "removed": 1}


@pytest.mark.parametrize("force", [False, True])
def test_a_cancelled_job_whose_worker_is_lost_is_cancelled_by_the_sweep(desk: Desk, force: bool) -> None:
    job_id = desk.put("active")
    if force:
        desk.service.remove_job("q", job_id, force=True)
    else:
        desk.service.cancel_job("q", job_id, "not wanted")
    desk.engine.warp(desk.engine.spec.lease_ms + 1)
    assert desk.engine.sweep().recovered == [job_id]
    assert desk.of("waiting") == []
    assert desk.of("cancelled") == ([] if force else [job_id])
    assert desk.worker.finish(job_id) == "0"
    assert desk.engine.snapshot().totals["cancelled"] == 1


def test_force_wins_over_a_cancel_before_it(desk: Desk) -> None:
    job_id = desk.put("active")
    desk.service.cancel_job("q", job_id)
    desk.service.remove_job("q", job_id, force=True)
    desk.service.cancel_job("q", job_id, "too late")
    desk.worker.finish(job_id, "c", result=b"1", result_ttl=HOUR)
    assert desk.engine.snapshot().records == {}


def test_hundreds_of_cancelled_jobs_are_told_within_a_few_calls(desk: Desk) -> None:
    ids = [f"j{i}" for i in range(150)]
    desk.engine.add(*ids)
    desk.worker.fetch(150)
    for job_id in ids:
        desk.service.cancel_job("q", job_id)
    heard: set[str] = set()
    for _ in range(40):
        told = cancels(desk)
        desk.worker.cycle(*((job_id, "x") for job_id in told))
        heard |= set(told)
        if not told:
            break
    assert heard == set(ids)
    assert desk.engine.snapshot().counts()["cancelled"] == 150


def test_nothing_of_cancelled_jobs_is_kept_when_a_queue_keeps_none(make_engine: Callable[..., Engine]) -> None:
    desk = Desk(make_engine(keep_completed=0))
    running = desk.put("active")
    waiting, later = desk.put("waiting"), desk.put("delayed")
    for job_id in (running, waiting):
        desk.service.cancel_job("q", job_id)
    assert desk.service.cancel_all("q", state="delayed", only=JobFilter(actor="work")) == 1
    desk.worker.finish(running, "x")
    found = desk.engine.snapshot()
    assert (found.records, found.totals["cancelled"]) == ({}, 3)
    with pytest.raises(JobNotFound):
        desk.state(later)


def test_retry_begins_anew_only_if_asked_and_drops_the_old_result(desk: Desk) -> None:
    done, broken = desk.put("completed"), desk.put("failed")
    assert desk.service.retry_job("q", done) == "done"
    assert desk.service.retry_job("q", broken, reset_attempts=True) == "done"
    kept, fresh = desk.service.get_job("q", done), desk.service.get_job("q", broken)
    assert (kept.attempts_made, fresh.attempts_made) == (1, 0)
    assert [attempt.outcome for attempt in fresh.attempts] == ["failed"]
    assert (fresh.reason, fresh.stalls, fresh.ended_ms) == ("", 0, 0)
    found = desk.engine.snapshot()
    assert (found.hash("results"), found.zset("expiry")) == ({}, {})
    assert found.totals["revived"] == 2
