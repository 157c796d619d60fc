"""What running jobs say (progress, log, checkpoints) and what queues say (events, history)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.errors import InvalidOption, JobNotFound, PayloadTooLarge, WrongState
from callboard.verbs import telling
from callboard.verbs.telling import Holder, tell_checkpoint, tell_line, tell_progress
from tests.support.engine import Engine
from tests.support.steering import HOUR, Desk, payload

TELL: dict[str, Callable[[Any, Holder], None]] = {
    "progress": lambda store, holder: tell_progress(store, holder, 50),
    "log": lambda store, holder: tell_line(store, holder, "half-way"),
    "checkpoint": lambda store, holder: tell_checkpoint(store, holder, "page", 7),
}


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def holder(desk: Desk, job_id: str) -> Holder:
    return Holder("q", job_id, desk.worker.name, desk.worker.held[job_id])


def test_what_a_running_job_says_is_kept_with_it(desk: Desk) -> None:
    job_id = desk.put("active")
    speaks = holder(desk, job_id)
    for value in (10, 12.5, {"done": 3, "of": 9, "what": "Bücher"}):
        tell_progress(desk.service.store, speaks, value)
    for line in ("first", "zweite: ü", "x\udc80"):
        tell_line(desk.service.store, speaks, line)
    tell_checkpoint(desk.service.store, speaks, "page", [1, 2])
    tell_checkpoint(desk.service.store, speaks, "1", None)
    told = desk.service.get_job_details("q", job_id)
    assert [line for _, line in told.log] == ["first", "zweite: ü", "x?"]
    assert told.progress == {"done": 3, "of": 9, "what": "Bücher"}
    assert told.checkpoints == {"page": [1, 2], "1": None}
    assert abs(told.log[0][0] - desk.engine.now()) < 5_000
    assert [e.type for e in desk.service.get_events("q")].count("progress") == 3


@pytest.mark.parametrize("what", TELL)
@pytest.mark.parametrize("after", ["its end", "a stall", "a retry"])
def test_an_attempt_that_holds_its_job_no_longer_is_not_heard(desk: Desk, what: str, after: str) -> None:
    job_id = desk.put("active")
    stale = holder(desk, job_id)
    if after == "its end":
        desk.worker.finish(job_id)
    elif after == "a stall":
        desk.engine.warp(desk.engine.spec.lease_ms + 1)
        desk.engine.sweep()
        assert desk.worker.fetch() == [job_id]
    else:
        desk.worker.finish(job_id, "r", delay=0)
        assert desk.engine.worker().fetch() == [job_id]
    held = desk.engine.snapshot()
    with pytest.raises(WrongState, match="belongs to another attempt"):
        TELL[what](desk.service.store, stale)
    assert desk.engine.snapshot() == held


@pytest.mark.parametrize("what", TELL)
def test_nobody_speaks_for_a_job_that_is_gone(desk: Desk, what: str) -> None:
    with pytest.raises(JobNotFound, match="'ghost'"):
        TELL[what](desk.service.store, Holder("q", "ghost", desk.worker.name, 1))


def test_logs_are_capped(desk: Desk) -> None:
    speaks = holder(desk, desk.put("active", "a"))
    for i in range(telling.LOG_LINES + 5):
        tell_line(desk.service.store, speaks, f"{i} " + "ä" * telling.LOG_LINE_BYTES)
    lines = [line for _, line in desk.service.get_job_details("q", "a").log]
    assert len(lines) == telling.LOG_LINES
    assert lines[0].startswith("5 ")
    assert max(len(line.encode()) for line in lines) <= telling.LOG_LINE_BYTES


def test_progress_and_checkpoints_are_capped_and_must_be_json(desk: Desk) -> None:
    speaks, store = holder(desk, desk.put("active", "a")), desk.service.store
    held = desk.engine.snapshot()
    with pytest.raises(PayloadTooLarge):
        tell_progress(store, speaks, {"x": "y" * telling.PROGRESS_BYTES})
    for bad in ("50 %", True, None, [1], float("nan"), {"x": object()}):
        with pytest.raises(InvalidOption):
            tell_progress(store, speaks, bad)
    with pytest.raises(InvalidOption):
        tell_checkpoint(store, speaks, "x", object())
    with pytest.raises(PayloadTooLarge):
        tell_checkpoint(store, speaks, "x", "y" * telling.CHECKPOINT_BYTES)
    assert desk.engine.snapshot() == held
    tell_checkpoint(store, speaks, "x", "y" * 40_000)
    with pytest.raises(PayloadTooLarge):
        tell_checkpoint(store, speaks, "z", "y" * 40_000)
    assert desk.service.get_job_details("q", "a").checkpoints.keys() == {"x"}


def test_checkpoints_are_there_in_the_next_attempt(desk: Desk) -> None:
    job_id = desk.put("active")
    tell_checkpoint(desk.service.store, holder(desk, job_id), "page", 7)
    desk.worker.finish(job_id, "f")
    desk.service.retry_job("q", job_id)
    assert desk.worker.fetch() == [job_id]
    assert desk.service.get_job_details("q", job_id).checkpoints == {"page": 7}


def test_what_a_job_said_goes_with_it(desk: Desk) -> None:
    job_id = desk.put("active")
    for tell in TELL.values():
        tell(desk.service.store, holder(desk, job_id))
    desk.worker.finish(job_id)
    desk.service.remove_job("q", job_id)
    found = desk.engine.snapshot()
    assert not any(found.keys[name] for name in ("logs", "progress", "checkpoints"))
    assert desk.service.get_job_details("q", job_id) == telling.JobDetails()


def test_events_tell_everything_that_happens_by_its_name(desk: Desk) -> None:
    service, worker = desk.service, desk.worker
    desk.engine.add("a", "b", "c", payload=payload())
    desk.engine.add("d", "e", delay=HOUR, payload=payload())
    worker.fetch(3)
    tell_progress(service.store, holder(desk, "a"), 1)
    worker.cycle(("a", "c"), ("b", "f"), ("c", "r", {"delay": HOUR}))
    service.promote_job("q", "d")
    service.cancel_job("q", "d")
    service.retry_job("q", "b")
    service.remove_job("q", "a")
    desk.engine.warp(2 * HOUR)
    worker.fetch(1)  # c and e are due
    desk.engine.warp(desk.engine.spec.lease_ms + 1)
    desk.engine.sweep()
    service.pause_queue("q")
    service.resume_queue("q")
    service.drain_queue("q")
    service.clean_queue("q", "cancelled", 0)

    told = [(event.type, sorted(event.job_ids)) for event in service.get_events("q")]
    assert told[:4] == [
        ("added", ["a", "b", "c"]), ("delayed", ["d", "e"]), ("active", ["a", "b", "c"]), ("progress", ["a"]),
    ]  # fmt: skip
    assert sorted(told[4:7]) == [("completed", ["a"]), ("failed", ["b"]), ("retried", ["c"])]
    assert told[7:] == [
        ("waiting", ["d"]), ("cancelled", ["d"]), ("retried", ["b"]), ("removed", ["a"]), ("waiting", ["c", "e"]),
        ("active", ["b"]), ("stalled", ["b"]), ("paused", []), ("resumed", []), ("drained", ["b", "c", "e"]),
        ("cleaned", ["d"]),
    ]  # fmt: skip


def test_events_are_read_on_from_an_id(desk: Desk) -> None:
    for i in range(5):
        desk.engine.add(f"j{i}")
    first = desk.service.get_events("q", limit=2)
    assert [event.job_ids for event in first] == [["j0"], ["j1"]]
    rest = desk.service.get_events("q", after=first[-1].id)
    assert [event.job_ids for event in rest] == [["j2"], ["j3"], ["j4"]]
    assert desk.service.get_events("q", after=rest[-1].id) == []
    assert {(event.queue, event.count) for event in rest} == {("q", 1)}
    assert abs(rest[0].at_ms - desk.engine.now()) < 5_000


def test_history_counts_by_the_minute(desk: Desk) -> None:
    desk.put("completed")
    desk.put("failed", "f")
    desk.service.retry_job("q", "f")
    for minutes in (1, 60, telling.MAX_MINUTES):
        series = desk.service.get_history("q", minutes)
        assert series.keys() == set(telling.COUNTED)
        assert {len(points) for points in series.values()} == {minutes}
        starts = [start for start, _ in series["added"]]
        assert starts == list(range(starts[0], starts[0] + 60_000 * minutes, 60_000))
    for name, count in {"added": 2, "completed": 1, "failed": 1, "retried": 1, "cancelled": 0}.items():
        assert sum(n for _, n in series[name]) == count, name
    with pytest.raises(InvalidOption, match="not counted: sold"):
        telling.history(desk.service.store, "q", what=["sold"])
