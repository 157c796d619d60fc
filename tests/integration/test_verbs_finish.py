"""cycle, its first half: attempts end, by whoever holds the token, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from callboard.verbs.cycle import CycleRequest
from callboard.verbs.result import Ending, look
from tests.support.engine import Engine, Worker, fetched

HOUR = 3_600_000


def started(engine: Engine, *ids: str, **options: Any) -> Worker:
    """A worker at work on new jobs."""
    engine.add(*ids, **options)
    worker = engine.worker()
    assert worker.fetch(len(ids)) == list(ids)
    return worker


def test_a_completed_job(engine: Engine) -> None:
    worker = started(engine, "a")
    assert worker.finish("a") == "1"

    job = engine.job("a")
    assert (job.state, job.attempts_made, job.duration_ms) == ("completed", 1, 7)
    assert job.ended_ms - job.started_ms == 7
    assert engine.snapshot().totals == {"added": 1, "completed": 1}


def test_a_retried_job_waits_for_its_delay_at_its_own_priority(engine: Engine) -> None:
    worker = started(engine, "a", priority=9, workspace="acme")
    assert worker.finish("a", "r", delay=HOUR, error=("ValueError", "no", "Traceback …"), options=b'{"x":1}') == "1"

    job = engine.job("a")
    assert (job.state, job.attempts_made, job.priority, job.workspace) == ("delayed", 1, 9, "acme")
    assert abs(job.due_ms - engine.now() - HOUR) < 5_000
    (attempt,) = job.attempts
    assert (attempt.number, attempt.outcome, attempt.worker) == (1, "retried", worker.name)
    assert (attempt.error_type, attempt.error_message, attempt.traceback) == ("ValueError", "no", "Traceback …")
    assert engine.record("a").options == b'{"x":1}'
    assert engine.snapshot().totals == {"added": 1, "retried": 1}


def test_a_retry_without_delay_waits_at_once(engine: Engine) -> None:
    worker = started(engine, "a")
    engine.take_mark()
    worker.finish("a", "r", delay=0)
    assert engine.state("a") == "waiting"
    assert engine.take_mark(), "work became startable and nobody is told"


def test_a_deferred_job_spends_no_attempt(engine: Engine) -> None:
    worker = started(engine, "a")
    worker.finish("a", "d", delay=HOUR, error=("RateLimitExceeded", "", ""))

    job = engine.job("a")
    assert (job.state, job.attempts_made) == ("delayed", 0)
    (attempt,) = job.attempts
    assert (attempt.number, attempt.outcome) == (1, "deferred")
    assert engine.snapshot().totals == {"added": 1, "deferred": 1}


def test_a_failed_job_keeps_its_reason(engine: Engine) -> None:
    worker = started(engine, "a")
    worker.finish("a", "f", reason="ValueError: no", error=("ValueError", "no", ""))

    job = engine.job("a")
    assert (job.state, job.attempts_made, job.reason) == ("failed", 1, "ValueError: no")
    assert [a.outcome for a in job.attempts] == ["failed"]
    assert engine.snapshot().totals == {"added": 1, "failed": 1}


def test_a_cancelled_job_keeps_its_reason(engine: Engine) -> None:
    worker = started(engine, "a")
    worker.finish("a", "x", reason="no longer wanted")
    job = engine.job("a")
    assert (job.state, job.reason) == ("cancelled", "no longer wanted")
    assert engine.snapshot().totals == {"added": 1, "cancelled": 1}


def test_a_job_that_was_not_run_goes_back_to_its_place(engine: Engine) -> None:
    worker = started(engine, "a")
    engine.add("b", "c")
    worker.finish("a", "b")
    job = engine.job("a")
    assert (job.state, job.attempts_made, job.started_ms, job.attempts) == ("waiting", 0, 0, [])
    assert engine.worker().fetch(3) == ["a", "b", "c"]


@pytest.mark.parametrize("outcome", ["c", "r", "d", "f", "x", "b"])
def test_a_stale_token_changes_nothing_and_is_counted(engine: Engine, outcome: str) -> None:
    worker = started(engine, "a")
    stranger = engine.worker()
    before = engine.snapshot()

    extra = {"delay": 5, "reason": "r", "error": ("E", "m", "t"), "result": b"!", "result_ttl": HOUR,
             "outbox": [("other", "m", b"{}", 5, "", 0)]}  # fmt: skip
    assert stranger.cycle(("a", worker.held["a"], outcome, 1, extra)).codes == b"0"
    assert worker.cycle(("a", worker.held["a"] - 1, outcome, 1, extra)).codes == b"0"
    assert worker.cycle(("nobody", 1, outcome, 1, extra)).codes == b"0"

    after = engine.snapshot()
    assert after.totals == {"added": 1, "stale_finishes": 3}
    changed = {name for name in after.keys if after.keys[name] != before.keys[name]}
    assert changed <= {"totals", "history", "calls"}


def test_an_attempt_ends_once(engine: Engine) -> None:
    worker = started(engine, "a")
    number = worker.held["a"]
    assert worker.cycle(("a", number, "c", 1, None)).codes == b"1"
    assert worker.cycle(("a", number, "f", 1, None)).codes == b"0"
    assert engine.state("a") == "completed"


def test_a_finish_of_an_earlier_fetch_of_the_same_worker_is_stale(engine: Engine) -> None:
    worker = started(engine, "a")
    first = worker.held["a"]
    worker.finish("a", "b")
    worker.fetch()
    assert worker.cycle(("a", first, "c", 1, None)).codes == b"0"
    assert engine.state("a") == "active"


def test_a_resent_cycle_gets_its_first_answer_and_ends_nothing_twice(engine: Engine) -> None:
    worker = started(engine, "a", "b")
    number = worker.held["a"]
    extra = {"outbox": [("other", "m", b"{}", 5, "", 0)]}
    request = CycleRequest("q", worker.next_number(), [("a", number, "c", 1, extra), ("gone", 1, "c", 1, None)])
    first = worker.send(request)
    before = engine.snapshot()

    assert worker.send(request).codes == first.codes == b"10"
    assert engine.snapshot() == before
    assert len(before.members("outbox")) == 1


def test_a_retried_job_that_runs_again_is_not_ended_by_a_resend(engine: Engine) -> None:
    worker = started(engine, "a")
    request = CycleRequest("q", worker.next_number(), [("a", worker.held["a"], "r", 1, {"delay": 0})])
    worker.send(request)
    worker.fetch()
    worker.send(request)
    assert engine.state("a") == "active"


def test_a_call_that_was_overtaken_still_ends_its_jobs_and_fetches_nothing(engine: Engine) -> None:
    worker = started(engine, "a", "b")
    engine.add("c")
    older, newer = worker.next_number(), worker.next_number()
    held = worker.held["a"]
    assert worker.send(CycleRequest("q", newer, [("b", held, "c", 1, None)])).codes == b"1"
    reply = worker.send(CycleRequest("q", older, [("a", held, "c", 1, None)], at_once=1))
    assert (reply.codes, reply.jobs) == (b"1", [])
    assert worker.send(CycleRequest("q", older, [("a", held, "c", 1, None)])).codes == b"0"
    assert engine.snapshot().totals == {"added": 3, "completed": 2}, "a resend is not a stale finish"


def test_finishes_of_one_call_are_answered_in_order(engine: Engine) -> None:
    worker = started(engine, "a", "b", "c")
    reply = worker.cycle(("a", "c"), ("missing", 3, "c", 1, None), ("b", "f"), ("c", "r", {"delay": HOUR}))
    assert reply.codes == b"1011"
    assert [engine.state(i) for i in "abc"] == ["completed", "failed", "delayed"]


def test_a_finish_and_a_fetch_share_a_call(engine: Engine) -> None:
    worker = started(engine, "a")
    engine.add("b", "c")
    reply = worker.cycle(("a", "c"), at_once=1)
    assert (reply.codes, fetched(reply), reply.waiting) == (b"1", ["b"], 1)


def test_only_the_newest_completed_jobs_are_kept(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(keep_completed=2)
    ids = [f"job{i}" for i in range(5)]
    worker = started(engine, *ids)
    for job_id in ids:
        worker.finish(job_id)
        engine.warp(1)
    assert engine.snapshot().hash("record").keys() == {"job3", "job4"}
    assert engine.snapshot().totals == {"added": 5, "completed": 5}


def test_failed_and_cancelled_jobs_have_their_own_bounds(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(keep_completed=1, keep_failed=2)
    ids = [f"job{i}" for i in range(6)]
    worker = started(engine, *ids)
    for job_id, outcome in zip(ids, "fffxxx", strict=True):
        worker.finish(job_id, outcome)
        engine.warp(1)
    assert engine.snapshot().hash("record").keys() == {"job1", "job2", "job5"}
    assert engine.snapshot().hash("attempts").keys() == {"job1", "job2", "job5"}


@pytest.mark.parametrize("outcome", ["c", "f", "x"])
def test_keep_none_leaves_nothing_of_a_job(make_engine: Callable[..., Engine], outcome: str) -> None:
    engine = make_engine(keep_completed=0, keep_failed=0)
    worker = started(engine, "a")
    assert worker.finish("a", outcome, reason="r") == "1"
    snapshot = engine.snapshot()
    assert [n for n in ("record", "payload", "attempts", "completed", "failed", "cancelled") if snapshot.keys[n]] == []
    assert sum(snapshot.totals.get(n, 0) for n in ("completed", "failed", "cancelled")) == 1


def test_a_result_is_written_with_the_finish_and_goes_with_the_job(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(keep_completed=1)
    worker = started(engine, "a", "b")
    worker.finish("a", "c", result=b'{"ok":1}')
    assert look(engine.store, "q", "a") == Ending("completed", b'{"ok":1}')
    engine.warp(1)
    worker.finish("b", "c")
    assert look(engine.store, "q", "a") == Ending("", None), "b has pushed it out"
    assert look(engine.store, "q", "b") == Ending("completed", None)
    assert not engine.snapshot().keys["results"]


def test_a_result_with_a_time_of_its_own_outlives_the_job(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(keep_completed=0)
    worker = started(engine, "a", "b")
    worker.finish("a", "c", result=b"1", result_ttl=HOUR)
    worker.finish("b", "c", result=b"2")
    assert look(engine.store, "q", "a") == Ending("", b"1")
    assert look(engine.store, "q", "b") == Ending("", None)
    assert abs(engine.snapshot().zset("expiry")["a"] - engine.now() - HOUR) < 5_000
    engine.warp(HOUR)
    assert look(engine.store, "q", "a") == Ending("", None), "its time has passed, whether it was swept or not"


def test_that_a_result_was_there_is_known_as_long_as_the_job(engine: Engine) -> None:
    worker = started(engine, "a")
    worker.finish("a", "c", result=b"1", result_ttl=HOUR)
    engine.warp(HOUR)
    assert look(engine.store, "q", "a") == Ending("completed", b"")
    engine.sweep()
    assert look(engine.store, "q", "a") == Ending("completed", b"")
    assert engine.snapshot().hash("results") == {"a": b""}


def test_a_job_added_anew_has_no_result_of_the_one_before(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(keep_completed=0)
    worker = started(engine, "a", "other")
    worker.finish("a", "c", result=b"1", result_ttl=HOUR)
    worker.finish("other", "c", result=b"2", result_ttl=HOUR)
    engine.add("a")
    assert look(engine.store, "q", "a") == Ending("waiting", None)
    assert engine.snapshot().hash("results") == {"other": b"2"}


@pytest.mark.parametrize("outcome", ["r", "d", "x", "b"])
def test_what_has_not_ended_of_itself_has_no_result(engine: Engine, outcome: str) -> None:
    worker = started(engine, "a")
    worker.finish("a", outcome, result=b"1", delay=HOUR)
    assert not engine.snapshot().keys["results"]


def test_messages_for_other_queues_are_numbered_in_order(engine: Engine) -> None:
    worker = started(engine, "a", "b")
    worker.finish("a", "c", outbox=[("x", "m1", b"p1", 5, "acme", 0), ("y", "m2", b"p2", 3, "", HOUR)])
    worker.finish("b", "c", outbox=[("x", "m3", b"p3", 7, "", 0)])

    rows = [msgpack.unpackb(row) for row in engine.snapshot().members("outbox")]
    first = rows[0][0]
    assert [row[:6] for row in rows] == [
        [first, "x", "m1", "p1", 5, "acme"], [first + 1, "y", "m2", "p2", 3, ""], [rows[2][0], "x", "m3", "p3", 7, ""],
    ]  # fmt: skip
    assert rows[2][0] > rows[1][0]
    assert rows[0][6] == rows[2][6] == 0
    assert abs(rows[1][6] - engine.now() - HOUR) < 5_000


def test_numbers_of_an_outbox_go_on_after_it_was_emptied(engine: Engine) -> None:
    worker = started(engine, "a", "b")
    worker.finish("a", "c", outbox=[("x", "m1", b"", 5, "", 0)])
    (first,) = engine.snapshot().members("outbox")
    engine.do("DEL", "outbox")
    worker.finish("b", "c", outbox=[("x", "m2", b"", 5, "", 0)])
    (second,) = engine.snapshot().members("outbox")
    assert msgpack.unpackb(second)[0] > msgpack.unpackb(first)[0]


def test_the_history_of_attempts_is_bounded(engine: Engine) -> None:
    worker = started(engine, "a")
    kept = engine.store.settings.attempts_kept
    for _ in range(kept + 3):
        worker.finish("a", "r", delay=0)
        worker.fetch()
    attempts = engine.job("a").attempts
    assert [a.number for a in attempts] == list(range(4, kept + 4))
