"""stats, lists and one job: what an operator sees."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callboard.errors import InvalidOption, JobNotFound
from callboard.ids import pack_id
from callboard.verbs.looking import QueueStats, list_jobs, queue_stats, stats_call
from callboard.verbs.steering import reprioritise
from tests.support.engine import Engine

HOUR = 3_600_000


def stats(engine: Engine) -> QueueStats:
    return queue_stats("q", engine.store.call(*stats_call("q")))


def all_ids(engine: Engine, state: str, limit: int, *, newest: bool | None = None) -> list[str]:
    """Every job of a state, page by page."""
    ids: list[str] = []
    cursor = None
    while True:
        page = list_jobs(engine.store, "q", state, limit=limit, cursor=cursor, newest=newest)
        ids += [job.id for job in page.jobs]
        cursor = page.cursor
        if cursor is None:
            return ids


def test_stats_of_a_queue_that_never_had_a_job(engine: Engine) -> None:
    found = stats(engine)
    assert (found.waiting, found.delayed, found.active, found.completed, found.failed, found.cancelled) == (0,) * 6
    assert (found.paused, found.oldest_waiting_age_s, found.next_due_ms, found.totals) == (False, 0.0, 0, {})


def test_stats_count_every_state(engine: Engine) -> None:
    engine.add(*"acfxr", "w1", "w2")
    engine.add("d", delay=HOUR)
    worker = engine.worker()
    worker.fetch(5)
    retry = {"delay": 2 * HOUR, "outbox": [("other", "m", b"", 5, "", 0)]}
    worker.cycle(("c", "c"), ("f", "f"), ("x", "x"), ("r", "r", retry))

    found = stats(engine)
    assert (found.waiting, found.delayed, found.active) == (2, 2, 1)
    assert (found.completed, found.failed, found.cancelled, found.outbox) == (1, 1, 1, 1)
    assert found.totals == {"added": 8, "completed": 1, "failed": 1, "cancelled": 1, "retried": 1}
    assert found.next_due_ms == engine.snapshot().zset("delayed")["d"]


def test_stats_tell_who_paused_and_why(engine: Engine) -> None:
    engine.store.call("pause", "q", ("deploy", "ada", 100))
    found = stats(engine)
    assert (found.paused, found.paused_reason, found.paused_by) == (True, "deploy", "ada")
    assert abs(found.paused_since_ms - engine.now()) < 5_000


def test_the_oldest_waiting_job_is_found_behind_younger_ones_of_higher_priority(engine: Engine) -> None:
    engine.add("old", priority=7)
    engine.do("HSET", "record", "old", backdated(engine, "old", HOUR))
    engine.add("young", priority=1)
    assert HOUR / 1000 <= stats(engine).oldest_waiting_age_s < HOUR / 1000 + 5


def backdated(engine: Engine, job_id: str, ms: int) -> bytes:
    """The packed record of a job, as if it had been added earlier."""
    packed = engine.snapshot().hash("record")[job_id]
    return packed[:3] + (engine.record(job_id).added - ms).to_bytes(8, "big") + packed[11:]


def test_lists_of_every_state(engine: Engine) -> None:
    engine.add(*"acfxw")
    engine.add("d", delay=HOUR)
    worker = engine.worker()
    worker.fetch(4)
    worker.cycle(("c", "c"), ("f", "f"), ("x", "x"))
    states = ("active", "completed", "failed", "cancelled", "waiting", "delayed")
    for state, job_id in zip(states, "acfxwd", strict=True):
        page = list_jobs(engine.store, "q", state)
        assert [(job.id, job.state) for job in page.jobs] == [(job_id, state)]
        assert (page.total, page.cursor) == (1, None)
    assert list_jobs(engine.store, "q", "blocked").jobs == []


def test_a_cursor_is_at_a_place_and_not_at_a_job(engine: Engine) -> None:
    engine.add("a")
    cursor = list_jobs(engine.store, "q", "waiting", limit=1).cursor
    reprioritise(engine.store, engine.spec, "a", 6)
    rest = list_jobs(engine.store, "q", "waiting", limit=1, cursor=cursor)
    assert [job.id for job in rest.jobs] == ["a"], "it came to a place behind the cursor"


@pytest.mark.parametrize("limit", [1, 3, 7, 10, 200])
def test_pages_together_are_the_list(engine: Engine, limit: int) -> None:
    ids = [f"{i:02d}" for i in (5, 3, 9, 1, 0, 7, 2, 8, 6, 4)]
    engine.add(*ids)
    assert all_ids(engine, "waiting", limit) == ids
    assert all_ids(engine, "waiting", limit, newest=True) == ids[::-1]


def test_finished_jobs_come_newest_first(engine: Engine) -> None:
    engine.add("a", "b", "c")
    worker = engine.worker()
    for job_id in worker.fetch(3):
        worker.finish(job_id)
        engine.warp(1000)
    assert all_ids(engine, "completed", 2) == ["c", "b", "a"]


@pytest.mark.parametrize("newest", [False, True])
def test_a_cursor_is_stable_when_jobs_come_and_go(engine: Engine, newest: bool) -> None:
    ids = [f"{i:02d}" for i in range(20)]
    engine.add(*ids)
    page = list_jobs(engine.store, "q", "waiting", limit=5, newest=newest)
    seen = [job.id for job in page.jobs]

    engine.do("ZREM", "waiting", *seen[2:])  # the job that the cursor names goes too
    for job_id in seen[2:]:
        engine.do("HDEL", "record", job_id)
        engine.do("HDEL", "payload", job_id)
    engine.do("HINCRBY", "totals", "cancelled", 3)
    engine.add("before", priority=1)
    engine.add("behind", priority=9)

    rest: list[str] = []
    while page.cursor:
        page = list_jobs(engine.store, "q", "waiting", limit=5, cursor=page.cursor, newest=newest)
        rest += [job.id for job in page.jobs]
    expected = ["before", *ids, "behind"]
    expected = expected[::-1] if newest else expected
    following = expected[expected.index(seen[-1]) + 1 :]
    assert rest == following


@pytest.mark.parametrize("newest", [False, True])
def test_jobs_of_equal_scores_are_all_listed(engine: Engine, newest: bool) -> None:
    due = engine.now() + HOUR
    # Upper case, digits and signs: Redis orders bytes, whatever the server's locale.
    ids = sorted(f"{letter}{i:03d}" for letter in "aB.Z_z-9" for i in range(220))
    for i in range(0, len(ids), 220):
        engine.add(*ids[i : i + 220], due=due)
    assert all_ids(engine, "delayed", 20, newest=newest) == (ids[::-1] if newest else ids)


@pytest.mark.parametrize("limit", [0, 201, -1])
def test_a_limit_out_of_range_is_refused(engine: Engine, limit: int) -> None:
    with pytest.raises(InvalidOption, match="limit"):
        list_jobs(engine.store, "q", "waiting", limit=limit)


@pytest.mark.parametrize("cursor", ["?", "AAAA", "bm90LWEtc2NvcmUgaWQ", "é"])
def test_a_foreign_cursor_is_refused(engine: Engine, cursor: str) -> None:
    with pytest.raises(InvalidOption, match="cursor"):
        list_jobs(engine.store, "q", "waiting", cursor=cursor)


def test_an_unknown_state_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidOption, match="waiting"):
        list_jobs(engine.store, "q", "running")


def test_a_job_that_is_not_there(engine: Engine) -> None:
    with pytest.raises(JobNotFound, match="retention"):
        engine.job("nobody")
    with pytest.raises(InvalidOption):
        engine.job("not an id!")


def test_a_job_with_a_uuid_is_found_by_it(engine: Engine) -> None:
    job_id = "0f8fad5b-d9cb-469f-a165-70867728950e"
    engine.add(pack_id(job_id))
    assert engine.job(job_id).id == job_id
    assert all_ids(engine, "waiting", 10) == [job_id]


def test_a_payload_that_cannot_be_decoded_is_still_listed(engine: Engine) -> None:
    engine.add("a", payload=b"\xff not json")
    (job,) = list_jobs(engine.store, "q", "waiting").jobs
    assert (job.id, job.actor, job.payload) == ("a", "", {})


def test_looking_changes_nothing(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine()
    engine.add("a")
    engine.add("d", delay=HOUR)
    engine.warp(2 * HOUR)
    before = engine.snapshot()
    stats(engine)
    all_ids(engine, "delayed", 10)
    engine.job("a")
    assert engine.snapshot() == before
