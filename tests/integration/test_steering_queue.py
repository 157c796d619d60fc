"""drain, clean and obliterate: what goes, what stays, and what an interrupted obliterate leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.errors import QueueBusy, QueueClosed
from callboard.keys import QUEUE_KEYS
from tests.support.engine import Engine
from tests.support.steering import HOUR, PLACES, Desk


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def one_of_each(desk: Desk) -> None:
    for place in (*(p for p in PLACES if p != "waiting"), "waiting"):
        desk.put(place, place)


@pytest.mark.parametrize(("delayed", "gone"), [(False, {"waiting", "held"}), (True, {"waiting", "held", "delayed"})])
def test_drain_takes_what_waits_and_what_is_delayed_only_if_asked(
    desk: Desk, delayed: bool, gone: set[str]
) -> None:
    one_of_each(desk)
    assert desk.service.drain_queue("q", delayed=delayed) == len(gone)
    found = desk.engine.snapshot()
    assert found.records.keys() == PLACES.keys() - gone
    assert found.totals["drained"] == len(gone)
    assert {i for e in desk.service.get_events("q") if e.type == "drained" for i in e.job_ids} == gone
    assert desk.service.drain_queue("q", delayed=delayed) == 0


def test_drained_jobs_leave_no_traces(desk: Desk) -> None:
    desk.put("waiting", "a")
    desk.worker.fetch()
    desk.worker.finish("a", "r", delay=0, error=("E", "m", "t"))
    desk.service.drain_queue("q")
    found = desk.engine.snapshot()
    assert not any(found.keys[name] for name in ("payload", "record", "attempts", "results", "expiry"))


@pytest.mark.parametrize("state", ["completed", "failed", "cancelled", "waiting", "delayed"])
def test_clean_takes_the_oldest_first_up_to_its_limit(desk: Desk, state: str) -> None:
    ids = []
    for i in range(5):
        ids.append(desk.put(state, f"j{i}", **({"delay": HOUR + i * 1_000} if state == "delayed" else {})))
        before = desk.engine.now()
        while desk.engine.now() == before:  # so that each ends in a millisecond of its own
            pass
    assert desk.service.clean_queue("q", state, 0, 2) == (ids[:2], True)
    assert desk.service.clean_queue("q", state, 0) == (ids[2:], False)
    found = desk.engine.snapshot()
    assert (found.records, found.totals["cleaned"]) == ({}, 5)
    assert not any(found.keys[name] for name in ("payload", "attempts", "results", "expiry"))


def test_clean_spares_what_is_younger(desk: Desk) -> None:
    old = desk.put("failed")
    desk.engine.warp(2 * HOUR)
    young, waits = desk.put("failed"), desk.put("waiting")
    assert desk.service.clean_queue("q", "failed", 3600) == ([old], False)
    assert desk.service.clean_queue("q", "waiting", 3600) == ([], False)
    assert desk.engine.snapshot().records.keys() == {young, waits}


def test_clean_of_what_waits_includes_what_a_limit_holds(desk: Desk) -> None:
    one_of_each(desk)
    assert sorted(desk.service.clean_queue("q", "waiting", 0)[0]) == ["held", "waiting"]


def test_clean_goes_in_steps(desk: Desk) -> None:
    ids = [f"j{i}" for i in range(250)]
    desk.engine.add(*ids)
    removed, more = desk.service.clean_queue("q", "waiting", 0, 240)
    assert (removed, more) == (ids[:240], True)
    steps = [e.count for e in desk.service.get_events("q", limit=1_000) if e.type == "cleaned"]
    assert steps == [100, 100, 40]


@pytest.mark.parametrize("fill", ["active", "outbox"])
def test_obliterate_refuses_a_busy_queue_and_leaves_it_open(desk: Desk, fill: str) -> None:
    job_id = desk.put("active")
    if fill == "outbox":
        desk.worker.finish(job_id, "c", outbox=[("other", "m", b"", 5, "", 0)])
    with pytest.raises(QueueBusy, match="1 active" if fill == "active" else "1 messages in its outbox"):
        desk.service.obliterate_queue("q")
    desk.put("waiting")
    assert len(desk.worker.fetch()) == 1


def left(desk: Desk) -> set[str]:
    found = desk.engine.snapshot()
    return {name for name in QUEUE_KEYS if found.keys[name]}


@pytest.mark.parametrize("force", [False, True])
def test_obliterate_removes_every_key_and_the_queue_begins_anew(desk: Desk, force: bool) -> None:
    one_of_each(desk)
    if force:
        desk.worker.finish("active", "c", outbox=[("other", "m", b"", 5, "", 0)])
        desk.put("active", "busy")
    else:
        desk.worker.finish("active")
    desk.service.obliterate_queue("q", force=force)
    assert left(desk) <= {"meta", "sources"}
    assert desk.engine.snapshot().hash("meta").keys() <= {"outbox_number"}
    if force:
        assert desk.worker.finish("busy") == "0"
    desk.engine.do("DEL", "totals")  # a finish that came too late is counted
    new = desk.put("waiting")
    assert desk.worker.fetch() == [new]


def interrupted_obliterate(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's process dies after the queue was closed."""
    store = desk.service.store
    call = store.call

    def dies(verb: str, queue: str, args: Any = ()) -> Any:
        if verb == "obliterate" and args[0] == "remove":
            raise KeyboardInterrupt
        return call(verb, queue, args)

    monkeypatch.setattr(store, "call", dies)
    with pytest.raises(KeyboardInterrupt):
        desk.service.obliterate_queue("q")
    monkeypatch.setattr(store, "call", call)


def test_a_closed_queue_takes_no_jobs_and_starts_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.put("waiting", "a")
    interrupted_obliterate(desk, monkeypatch)
    with pytest.raises(QueueClosed, match="repeat"):
        desk.engine.add("b")
    reply = desk.worker.cycle(at_once=1)
    assert (reply.jobs, reply.paused) == ([], True)
    desk.service.resume_queue("q")
    assert desk.worker.fetch() == []
    assert desk.state("a") == "waiting"


def test_repeating_an_interrupted_obliterate_finishes_it_and_opens_the_queue(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put("waiting", "a")
    interrupted_obliterate(desk, monkeypatch)
    desk.engine.sweep()
    desk.service.obliterate_queue("q")
    assert left(desk) == set()
    desk.put("waiting", "b")
    assert desk.worker.fetch() == ["b"]


def test_obliterate_again_and_of_an_empty_queue_does_no_harm(make_engine: Callable[..., Engine]) -> None:
    desk = Desk(make_engine())
    desk.service.obliterate_queue("q")
    desk.service.obliterate_queue("q", force=True)
    assert left(desk) == set()


def test_a_mark_that_is_put_back_is_the_only_one_and_none_wakes_a_paused_queue(desk: Desk) -> None:
    store = desk.service.store
    for _ in range(2):
        assert store.call("wake", "q") == 1
    assert desk.engine.do("LLEN", "wake") == 1
    desk.service.pause_queue("q")
    assert store.call("wake", "q") == 0
    assert not desk.engine.take_mark()
