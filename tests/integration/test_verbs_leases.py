"""extend, release, reclaim: who owns an active job."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.engine import Engine


def test_extend_renews_the_leases_of_the_owner(engine: Engine) -> None:
    engine.add("a", "b")
    worker = engine.worker()
    worker.fetch(2)
    engine.warp(20_000)
    before = engine.now()
    assert worker.extend("a") == "1"
    active = engine.snapshot().zset("active")
    assert before + engine.spec.lease_ms <= active["a"] <= engine.now() + engine.spec.lease_ms
    assert active["b"] < before + engine.spec.lease_ms - 19_000


def test_extend_tells_which_leases_are_lost_and_renews_the_others(engine: Engine) -> None:
    engine.add("a", "b", "c")
    worker, other = engine.worker(), engine.worker()
    worker.fetch(3)
    numbers = dict(worker.held)
    worker.finish("a")
    worker.release("b")
    other.fetch()
    worker.held = numbers
    assert worker.extend("a", "b", "c") == "001"
    assert engine.snapshot().zset("active").keys() == {"b", "c"}


def test_extend_brings_nothing_back(engine: Engine) -> None:
    worker = engine.worker()
    worker.held["ghost"] = 1
    assert worker.extend("ghost") == "0"
    assert engine.snapshot().zset("active") == {}


def test_a_released_job_returns_to_its_original_place(engine: Engine) -> None:
    engine.add("a", "b", "c", workspace="acme")
    worker = engine.worker()
    worker.fetch(0, 2)
    engine.add("d", workspace="acme")
    assert worker.release("a", "b") == "11"
    assert engine.worker().fetch(4) == ["a", "b", "c", "d"]


def test_a_release_costs_neither_attempt_nor_stall(engine: Engine) -> None:
    engine.add("a")
    worker = engine.worker()
    worker.fetch(0, 1)
    worker.release("a")
    record = engine.record("a")
    assert (record.attempts, record.stalls, record.lost, record.started) == (0, 0, 0, 0)


def test_a_release_of_what_another_owns_is_stale(engine: Engine) -> None:
    engine.add("a")
    owner, stranger = engine.worker(), engine.worker()
    owner.fetch()
    stranger.held["a"] = owner.held["a"]
    stranger.held["missing"] = 1
    assert stranger.release("a", "missing") == "00"
    assert engine.state("a") == "active"


def test_a_release_leaves_a_mark(engine: Engine) -> None:
    engine.add("a")
    worker = engine.worker()
    worker.fetch()
    engine.take_mark()
    worker.release("a")
    assert engine.take_mark()


def test_reclaim_gives_back_what_the_worker_does_not_know(engine: Engine) -> None:
    engine.add("a", "b", "c")
    worker, other = engine.worker(), engine.worker()
    worker.fetch()
    worker.fetch()
    other.fetch()
    del worker.held["b"]  # the reply that brought it was lost

    assert worker.reclaim() == 1
    assert [engine.state(i) for i in "abc"] == ["active", "waiting", "active"]
    record = engine.record("b")
    assert (record.attempts, record.stalls, record.lost) == (0, 0, 0)
    assert engine.worker().fetch() == ["b"]


def test_reclaim_gives_back_a_job_fetched_again_under_a_lost_number(engine: Engine) -> None:
    engine.add("a")
    worker = engine.worker()
    worker.fetch()
    first = worker.held["a"]
    worker.release("a")
    worker.fetch()
    worker.held["a"] = first
    assert worker.reclaim() == 1
    assert engine.state("a") == "waiting"


def test_reclaim_of_a_worker_that_knows_all_changes_nothing(engine: Engine) -> None:
    engine.add("a", "b")
    worker = engine.worker()
    worker.fetch(2)
    before = engine.snapshot()
    assert worker.reclaim() == 0
    assert engine.snapshot() == before


def test_reclaim_looks_at_every_active_job(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine()
    worker, other = engine.worker(), engine.worker()
    for batch in range(6):
        engine.add(*(f"{batch}-{i:03d}" for i in range(200)))
        (worker if batch % 2 else other).fetch(200)
    known = dict(list(worker.held.items())[:5])
    worker.held = known
    assert worker.reclaim() == 595
    snapshot = engine.snapshot()
    assert snapshot.counts()["waiting"] == 595
    assert snapshot.zset("active").keys() == {*known, *other.held}
    snapshot.check()


def test_a_fetch_that_arrives_after_its_worker_reclaimed_takes_nothing(engine: Engine) -> None:
    engine.add("a")
    worker = engine.worker()
    late = worker.next_number()
    assert worker.reclaim(late) == 0
    assert worker.cycle(at_once=1, number=late).jobs == []
    assert worker.fetch() == ["a"]
