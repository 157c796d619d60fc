"""The order in which jobs start: strict priorities, first in first out, workspaces of one priority take turns."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.engine import Engine, Worker

HOUR = 3_600_000


def drain(engine: Engine, worker: Worker | None = None) -> list[str]:
    """Fetch and complete everything, one job at a time."""
    worker = worker or engine.worker()
    order: list[str] = []
    while ids := worker.fetch():
        worker.finish(ids[0])
        order += ids
    return order


def test_lower_numbers_run_first_whenever_they_came(engine: Engine) -> None:
    for job_id, priority in (("low", 7), ("last", 1000), ("critical", 1), ("normal", 5), ("high", 3)):
        engine.add(job_id, priority=priority)
    assert drain(engine) == ["critical", "high", "normal", "low", "last"]


def test_a_critical_job_overtakes_ten_thousand_low_ones(engine: Engine) -> None:
    for batch in range(40):
        engine.add(*(f"low-{batch}-{i}" for i in range(250)), priority=7)
    engine.add("critical", priority=1)
    assert engine.worker().fetch() == ["critical"]


def test_jobs_of_one_workspace_are_first_in_first_out(engine: Engine) -> None:
    ids = [f"{i:03d}" for i in (5, 2, 9, 1, 7)]
    for job_id in ids:
        engine.add(job_id, workspace="acme")
    assert drain(engine) == ids


def test_two_workspaces_take_turns(engine: Engine) -> None:
    engine.add(*(f"big{i}" for i in range(6)), workspace="big")
    engine.add(*(f"small{i}" for i in range(3)), workspace="small")
    order = drain(engine)
    assert order[:6] in (
        ["big0", "small0", "big1", "small1", "big2", "small2"],
        ["small0", "big0", "small1", "big1", "small2", "big2"],
    ), order
    assert order[6:] == ["big3", "big4", "big5"]


def test_one_job_of_a_small_workspace_passes_a_backlog(engine: Engine) -> None:
    engine.add(*(f"big{i}" for i in range(200)), workspace="big")
    worker = engine.worker()
    for _ in range(50):
        worker.finish(worker.fetch()[0])
    engine.add("one", workspace="small")
    assert "one" in worker.fetch(2)


def test_a_workspace_that_was_away_has_saved_no_turns_up(engine: Engine) -> None:
    worker = engine.worker()
    engine.add("s0", workspace="small")
    engine.add(*(f"b{i}" for i in range(20)), workspace="big")
    for _ in range(11):
        worker.finish(worker.fetch()[0])
    engine.add(*(f"s{i}" for i in range(1, 6)), workspace="small")
    order = drain(engine, worker)
    firsts = [job_id[0] for job_id in order[:10]]
    assert firsts.count("s") == 5, order
    assert "sss" not in "".join(firsts), f"small runs three in a row: {order}"


def test_priorities_stay_strict_between_workspaces(engine: Engine) -> None:
    engine.add("a0", "a1", workspace="a", priority=5)
    engine.add("b0", "b1", workspace="b", priority=7)
    assert drain(engine) == ["a0", "a1", "b0", "b1"]


def test_with_fair_off_the_order_is_that_of_arrival(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(fair=False)
    engine.add("a0", "a1", "a2", workspace="a")
    engine.add("b0", workspace="b")
    engine.add("a3", workspace="a")
    assert drain(engine) == ["a0", "a1", "a2", "b0", "a3"]


def test_due_jobs_start_in_order_of_their_due_times_at_their_own_priority(engine: Engine) -> None:
    engine.add("third", delay=3 * HOUR)
    engine.add("first", delay=1 * HOUR)
    engine.add("low", delay=1, priority=7)
    engine.add("second", delay=2 * HOUR)
    engine.warp(4 * HOUR)
    assert drain(engine) == ["first", "second", "third", "low"]


def test_what_is_due_lines_up_behind_what_waits(engine: Engine) -> None:
    engine.add("delayed", delay=HOUR)
    engine.add("waiting")
    engine.warp(2 * HOUR)
    assert drain(engine) == ["waiting", "delayed"]


def test_scores_stay_exact_at_the_largest_priority(engine: Engine) -> None:
    band = 2**43
    engine.do("HSET", "tags", "v1000", band - 1000)
    ids = [f"{i:03d}" for i in range(100)]
    engine.add(*ids, priority=1000)
    scores = list(engine.snapshot().zset("waiting").values())
    assert scores == [1000 * band + band - 1000 + i for i in range(1, 101)]
    assert drain(engine) == ids
