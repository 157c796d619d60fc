"""cycle, its second half: what a worker process gets, and what it must not get."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.engine import Engine, Worker, fetched

HOUR = 3_600_000


def lose(engine: Engine, *ids: str) -> None:
    """Start jobs in a process that dies; the sweep brings them back."""
    dying = engine.worker()
    got = dying.fetch(len(ids), holds=0)
    assert sorted(got) == sorted(ids)
    engine.warp(engine.spec.lease_ms + 1)
    assert sorted(engine.sweep().recovered) == sorted(ids)


def test_a_worker_gets_what_it_asks_for(engine: Engine) -> None:
    engine.add("a", "b", "c", payload=b"bytes")
    reply = engine.worker().cycle(at_once=2)
    assert fetched(reply) == ["a", "b"]
    assert reply.jobs[1] == b"bytes"
    assert (reply.waiting, reply.paused, reply.lone, reply.outbox) == (1, False, False, 0)
    assert engine.snapshot().counts()["active"] == 2


def test_a_worker_that_asks_for_nothing_gets_nothing(engine: Engine) -> None:
    engine.add("a")
    assert engine.worker().fetch(0) == []
    assert engine.state("a") == "waiting"


def test_an_empty_queue_gives_nothing(engine: Engine) -> None:
    reply = engine.worker().cycle(at_once=5)
    assert (reply.jobs, reply.waiting, reply.next_due_ms) == ([], 0, 0)


def test_no_job_goes_to_two_workers(engine: Engine) -> None:
    ids = [f"{i:03d}" for i in range(100)]
    engine.add(*ids)
    one, two = engine.worker(), engine.worker()
    got = []
    while more := [*one.fetch(7), *two.fetch(5)]:
        got += more
    assert got == ids


def test_leases_last_from_the_fetch(engine: Engine) -> None:
    engine.add("a")
    reply = engine.worker().cycle(at_once=1)
    assert engine.snapshot().zset("active")["a"] == reply.now_ms + engine.spec.lease_ms


def test_what_starts_at_once_is_marked_started_and_what_is_reserved_is_not(engine: Engine) -> None:
    engine.add("a", "b", "c")
    reply = engine.worker().cycle(at_once=1, ahead=2)
    started = [engine.record(i).started for i in "abc"]
    assert started == [reply.now_ms, 0, 0]


def test_a_start_from_the_reserve_is_written_down_later(engine: Engine) -> None:
    engine.add("a")
    worker = engine.worker()
    worker.fetch(0, 1)
    reply = worker.cycle(starts=["a"])
    assert engine.record("a").started == reply.now_ms
    worker.cycle(starts=["a"])
    assert engine.record("a").started == reply.now_ms, "the first start counts"


def test_only_the_owner_can_say_that_a_job_started(engine: Engine) -> None:
    engine.add("a")
    owner, stranger = engine.worker(), engine.worker()
    owner.fetch(0, 1)
    stranger.held["a"] = owner.held["a"]
    stranger.cycle(starts=["a"])
    assert engine.record("a").started == 0


def test_a_paused_queue_gives_nothing_and_says_so(engine: Engine) -> None:
    engine.add("a")
    engine.store.call("pause", "q", ("why", "ada", 100))
    reply = engine.worker().cycle(at_once=1)
    assert (reply.jobs, reply.paused, reply.waiting) == ([], True, 1)


def test_running_jobs_of_a_paused_queue_finish(engine: Engine) -> None:
    engine.add("a")
    worker = engine.worker()
    worker.fetch()
    engine.store.call("pause", "q", ("", "", 100))
    assert worker.finish("a") == "1"


def test_pause_and_resume_say_whether_they_changed_anything(engine: Engine) -> None:
    engine.add("a")
    assert engine.store.call("resume", "q", (100,)) == 0
    assert engine.store.call("pause", "q", ("why", "ada", 100)) == 1
    assert engine.store.call("pause", "q", ("again", "bob", 100)) == 0
    assert not engine.take_mark(), "a paused queue leaves no mark"
    assert engine.store.call("resume", "q", (100,)) == 1
    assert engine.take_mark(), "work can start and nobody is told"
    assert [e["type"] for e in engine.snapshot().events] == ["added", "paused", "resumed"]


def test_a_closed_queue_gives_nothing(engine: Engine) -> None:
    engine.add("a")
    engine.set_meta("closed", 1)
    assert engine.worker().fetch() == []


def test_due_jobs_are_promoted_and_the_next_due_is_told(engine: Engine) -> None:
    engine.add("soon", delay=HOUR)
    engine.add("later", delay=3 * HOUR)
    engine.warp(2 * HOUR)
    reply = engine.worker().cycle(at_once=5)
    assert fetched(reply) == ["soon"]
    assert reply.next_due_ms == engine.snapshot().zset("delayed")["later"]
    assert engine.record("soon").ready < reply.now_ms


def test_a_mark_is_left_while_startable_work_remains(engine: Engine) -> None:
    engine.add("a", "b")
    engine.take_mark()
    engine.worker().fetch()
    assert engine.take_mark()
    engine.worker().fetch()
    assert not engine.take_mark()


def test_a_cycle_that_moves_nothing_leaves_no_mark(engine: Engine) -> None:
    engine.add("a")
    engine.take_mark()
    engine.worker().cycle()
    assert not engine.take_mark(), "workers would wake each other for ever"


def test_a_job_that_was_lost_is_not_reserved(engine: Engine) -> None:
    engine.add("a")
    lose(engine, "a")
    engine.add("b")
    worker = engine.worker()
    assert worker.fetch(0, 2) == []
    assert worker.fetch(1, 1) == ["a", "b"]


def test_what_waits_behind_a_lost_job_keeps_its_place(engine: Engine) -> None:
    engine.add("a", "b")
    lose(engine, "a", "b")
    engine.add("c")
    worker = engine.worker()
    assert worker.fetch(1, 5) == ["a"]
    assert engine.worker().fetch(3) == ["b", "c"]


@pytest.fixture
def suspects(make_engine: Callable[..., Engine]) -> Engine:
    """A queue whose job ``poison`` may start one last time, with ``a`` and ``b`` behind it."""
    engine = make_engine(max_stalls=2)
    engine.add("poison")
    lose(engine, "poison")
    lose(engine, "poison")
    engine.add("a", "b")
    return engine


def test_a_last_start_is_passed_over_by_a_process_that_holds_something(suspects: Engine) -> None:
    reply = suspects.worker().cycle(at_once=3, holds=1)
    assert fetched(reply) == ["a", "b"]
    assert reply.lone
    assert suspects.state("poison") == "waiting"


def test_what_waits_behind_a_last_start_does_not_wait_for_it(suspects: Engine) -> None:
    claimer, other = suspects.worker(), suspects.worker()
    assert claimer.fetch(1, holds=1) == ["a"]
    assert other.fetch(1, holds=1) == ["b"]
    assert suspects.state("poison") == "waiting"


def test_a_last_start_runs_alone(suspects: Engine) -> None:
    assert suspects.worker().fetch(3, 3, holds=0) == ["poison"]
    assert suspects.state("a") == "waiting"


def test_a_last_start_behind_other_jobs_waits_for_an_empty_process(suspects: Engine) -> None:
    suspects.add("first", priority=1)
    worker = suspects.worker()
    assert "poison" not in worker.fetch(4, holds=0)
    assert suspects.state("poison") == "waiting"


def claim(engine: Engine) -> Worker:
    """A worker that wants the last start and still holds other jobs."""
    worker = engine.worker()
    reply = worker.cycle(at_once=2, holds=1)
    assert reply.lone
    return worker


def test_one_process_at_a_time_claims_a_last_start(suspects: Engine) -> None:
    first = claim(suspects)
    assert not suspects.worker().cycle(at_once=1, holds=1).lone, "a second process would empty itself as well"
    for job_id in list(first.held):
        first.finish(job_id)
    assert first.fetch() == ["poison"]


def test_a_process_that_holds_nothing_takes_a_claimed_last_start(suspects: Engine) -> None:
    first = claim(suspects)
    assert suspects.worker().fetch(1, holds=0) == ["poison"], "an idle process waited for a busy one"
    assert not first.cycle(holds=1).lone, "the claim went on without the job"


def test_a_claim_is_told_while_it_lasts_and_not_renewed(suspects: Engine) -> None:
    first = claim(suspects)
    suspects.warp(suspects.spec.lease_ms - 1000)
    assert first.cycle(holds=1).lone
    suspects.warp(2000)
    assert not first.cycle(holds=1).lone
    assert claim(suspects) is not first, "another may empty itself now"


def test_a_paused_queue_asks_nobody_to_empty_itself(suspects: Engine) -> None:
    first = claim(suspects)
    suspects.store.call("pause", "q", ("", "", 100))
    assert not first.cycle(holds=1).lone
