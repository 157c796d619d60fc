"""sweep: jobs of lost workers come back, what is old goes, and a clock that jumped costs nobody a stall."""

from __future__ import annotations

from collections.abc import Callable

import msgpack
import pytest

from tests.support.engine import Engine

HOUR = 3_600_000


def expire(engine: Engine) -> None:
    """Let all leases run out."""
    engine.warp(engine.spec.lease_ms + 1)


def test_a_started_job_whose_lease_ran_out_has_stalled(engine: Engine) -> None:
    engine.add("a")
    worker = engine.worker()
    worker.fetch()
    expire(engine)
    assert engine.sweep().recovered == ["a"]

    job = engine.job("a")
    assert (job.state, job.stalls, job.attempts_made, job.started_ms) == ("waiting", 1, 0, 0)
    (attempt,) = job.attempts
    assert (attempt.number, attempt.outcome, attempt.worker) == (1, "stalled", worker.name)
    assert engine.snapshot().totals == {"added": 1, "stalled": 1}
    assert engine.snapshot().events[-1] == {"type": "stalled", "n": "1", "ids": "a"}


def test_a_job_that_was_only_reserved_has_not_stalled(engine: Engine) -> None:
    engine.add("a")
    engine.worker().fetch(0, 1)
    expire(engine)
    assert engine.sweep().recovered == ["a"]

    record = engine.record("a")
    assert (record.stalls, record.lost, record.attempts) == (0, 1, 0)
    assert engine.job("a").attempts == []
    assert engine.snapshot().totals == {"added": 1}


def test_a_job_that_was_lost_unstarted_ever_so_often_does_not_fail(engine: Engine) -> None:
    engine.add("a")
    for _ in range(10):
        # In the reserve of nobody: a suspect is not reserved, so it is released before it starts.
        worker = engine.worker()
        worker.fetch(1, holds=0)
        engine.do("HSET", "record", "a", unstarted(engine, "a"))
        expire(engine)
        engine.sweep()
    assert engine.state("a") == "waiting"
    assert engine.record("a").stalls == 0


def unstarted(engine: Engine, job_id: str) -> bytes:
    """The packed record of a job, as if it had been reserved only."""
    packed = engine.snapshot().hash("record")[job_id]
    at = 12 + packed[11] + 22
    return packed[:at] + bytes(8) + packed[at + 8 :]


def test_a_recovered_job_returns_to_its_original_place(engine: Engine) -> None:
    engine.add("a", "b")
    engine.worker().fetch()
    engine.add("c")
    expire(engine)
    engine.sweep()
    assert engine.worker().fetch(3) == ["a", "b", "c"]


def test_a_live_lease_is_left_alone(engine: Engine) -> None:
    engine.add("a", "b")
    dead, alive = engine.worker(), engine.worker()
    dead.fetch()
    alive.fetch()
    expire(engine)
    alive.extend("b")
    assert engine.sweep().recovered == ["a"]
    assert engine.state("b") == "active"


def test_the_owner_of_a_recovered_job_is_refused(engine: Engine) -> None:
    engine.add("a")
    worker = engine.worker()
    worker.fetch()
    expire(engine)
    engine.sweep()
    number = worker.held["a"]
    assert worker.finish("a") == "0"
    assert engine.worker().fetch() == ["a"]
    assert worker.cycle(("a", number, "c", 1, None)).codes == b"0"
    assert engine.state("a") == "active"


@pytest.mark.parametrize("max_stalls", [0, 1, 2])
def test_a_job_fails_with_its_last_permitted_stall(make_engine: Callable[..., Engine], max_stalls: int) -> None:
    engine = make_engine(max_stalls=max_stalls)
    engine.add("a")
    for lost in range(1, max_stalls + 2):
        assert engine.worker().fetch(holds=0) == ["a"]
        expire(engine)
        found = engine.sweep()
        assert found.failed == (["a"] if lost == max_stalls + 1 else []), f"after {lost} lost starts"

    job = engine.job("a")
    assert (job.state, job.stalls, job.attempts_made) == ("failed", max_stalls + 1, 0)
    assert f"{max_stalls + 1} starts were lost" in job.reason
    assert [a.outcome for a in job.attempts] == ["stalled"] * (max_stalls + 1)
    assert engine.snapshot().totals == {"added": 1, "stalled": max_stalls + 1, "failed": 1}


def test_a_sweep_leaves_a_mark_while_work_waits(engine: Engine) -> None:
    engine.add("a")
    engine.take_mark()
    engine.sweep()
    assert engine.take_mark()


def test_a_sweep_of_a_paused_queue_recovers_and_leaves_no_mark(engine: Engine) -> None:
    engine.add("a")
    engine.worker().fetch()
    engine.store.call("pause", "q", ("", "", 100))
    expire(engine)
    assert engine.sweep().recovered == ["a"]
    assert not engine.take_mark()


@pytest.mark.parametrize("swept", ["never", "long ago", "in the future"])
def test_after_an_outage_or_a_clock_jump_leases_are_granted_anew(engine: Engine, swept: str) -> None:
    engine.add("a", "b")
    engine.worker().fetch(2)
    expire(engine)
    now, half = engine.now(), engine.spec.lease_ms // 2
    engine.set_meta("swept", {"never": 0, "long ago": now - half - 1000, "in the future": now + HOUR}[swept])

    found = engine.bare_sweep()
    assert (found.recovered, found.granted) == ([], 2)
    expiries = set(engine.snapshot().zset("active").values())
    assert all(now + engine.spec.lease_ms <= e <= engine.now() + engine.spec.lease_ms for e in expiries)
    assert engine.snapshot().totals == {"added": 2}


def test_leases_are_granted_once(engine: Engine) -> None:
    engine.add("a")
    engine.worker().fetch()
    expire(engine)
    assert engine.sweep(gap=True).granted == 1
    expire(engine)
    assert engine.sweep().recovered == ["a"]


def test_a_gap_of_less_than_half_a_lease_grants_nothing(engine: Engine) -> None:
    engine.add("a")
    engine.worker().fetch()
    expire(engine)
    engine.set_meta("swept", engine.now() - engine.spec.lease_ms // 2 + 2000)
    assert engine.bare_sweep().recovered == ["a"]


def test_leases_beyond_now_and_a_lease_are_cut(engine: Engine) -> None:
    engine.add("a")
    engine.worker().fetch()
    engine.warp(-HOUR)  # the clock went back by an hour
    engine.sweep()
    assert engine.snapshot().zset("active")["a"] <= engine.now() + engine.spec.lease_ms


def test_a_grant_also_cuts_what_lies_beyond_it(engine: Engine) -> None:
    engine.add("early", "late")
    worker = engine.worker()
    worker.fetch()
    engine.warp(-HOUR)
    worker.fetch()
    engine.warp(5_000)
    assert engine.sweep(gap=True).granted == 1
    active = engine.snapshot().zset("active")
    assert active["early"] == active["late"] <= engine.now() + engine.spec.lease_ms


def test_a_clock_that_went_back_does_not_stop_the_tidying(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(keep_completed_ms=1)
    engine.add("a")
    worker = engine.worker()
    worker.fetch()
    worker.finish("a")
    engine.warp(1000)
    engine.set_meta("swept", engine.now())
    engine.set_meta("tidied", engine.now() + 24 * HOUR)
    engine.bare_sweep()
    assert engine.snapshot().records == {}


def test_a_grant_to_many_jobs_goes_on_over_several_sweeps(engine: Engine) -> None:
    worker = engine.worker()
    for batch in range(7):
        engine.add(*(f"{batch}-{i:03d}" for i in range(200)))
        worker.fetch(200)
    expire(engine)
    assert engine.sweep(gap=True).granted == 1000
    assert engine.bare_sweep().granted == 400
    found = engine.bare_sweep()
    assert (found.granted, found.recovered) == (0, [])
    assert engine.snapshot().totals == {"added": 1400}


def test_due_jobs_are_promoted_when_no_worker_asks(engine: Engine) -> None:
    engine.add("a", delay=HOUR)
    engine.add("b", delay=3 * HOUR)
    engine.take_mark()
    engine.warp(2 * HOUR)
    found = engine.sweep()
    assert engine.state("a") == "waiting"
    assert found.next_due_ms == engine.snapshot().zset("delayed")["b"]
    assert engine.take_mark()


def test_finished_jobs_go_by_age(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(keep_completed_ms=HOUR, keep_failed_ms=3 * HOUR)
    engine.add("c1", "f1", "x1")
    worker = engine.worker()
    worker.fetch(3)
    worker.cycle(("c1", "c"), ("f1", "f"), ("x1", "x"))
    engine.warp(2 * HOUR)
    engine.add("c2")
    worker.fetch()
    worker.finish("c2")

    engine.sweep()
    assert engine.snapshot().hash("record").keys() == {"f1", "c2"}
    engine.warp(2 * HOUR)
    engine.sweep()
    assert engine.snapshot().hash("record").keys() == set()
    assert engine.snapshot().keys["attempts"] == []


def test_results_go_when_they_expire(engine: Engine) -> None:
    engine.add("a", "b")
    worker = engine.worker()
    worker.fetch(2)
    worker.finish("a", "c", result=b"1", result_ttl=HOUR)
    worker.finish("b", "c", result=b"2", result_ttl=3 * HOUR)
    engine.warp(2 * HOUR)
    engine.sweep()
    assert engine.snapshot().hash("results") == {"a": b"", "b": b"2"}, "that there was one is known as long as the job"


def test_old_answers_of_calls_go_and_new_ones_stay(engine: Engine) -> None:
    engine.add_as("fresh", 1, "a")
    old = msgpack.packb([1, engine.now() - 11 * 60_000, "1"])
    flat = [part for i in range(500) for part in (f"old{i}", old)]
    engine.do("HSET", "calls", *flat)
    for _ in range(60):
        engine.sweep()
    assert engine.snapshot().hash("calls").keys() == {"fresh"}


def test_minute_buckets_go_after_a_day(engine: Engine) -> None:
    engine.add("a")
    minute = engine.now() // 60_000
    old = {f"{minute - 1441 - i}:added": 1 for i in range(20)}
    engine.do("HSET", "history", *(part for pair in old.items() for part in pair))
    for _ in range(60):
        engine.sweep()
    assert engine.snapshot().hash("history").keys() in ({f"{minute}:added"}, {f"{minute + 1}:added"})


def test_fair_share_tags_go_when_the_queue_is_empty(engine: Engine) -> None:
    engine.add("a", workspace="acme")
    worker = engine.worker()
    worker.fetch()
    engine.sweep()
    assert engine.snapshot().keys["tags"], "tags are needed while a job is active: it may come back"
    worker.finish("a")
    engine.sweep()
    assert engine.snapshot().keys["tags"] == []


def test_tags_of_workspaces_that_were_served_go_while_others_wait(engine: Engine) -> None:
    for i in range(30):
        engine.add(f"job{i}", workspace=f"w{i}")
    engine.add("busy1", "busy2", "busy3", workspace="busy")
    worker = engine.worker()
    for job_id in worker.fetch(31):
        worker.finish(job_id)
    for _ in range(60):
        engine.sweep()
    assert engine.snapshot().hash("tags").keys() == {"v5", "w5:busy"}
