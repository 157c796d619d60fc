"""The pump, turn by turn on a real server: what it holds, what it gives back, and how long it empties itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from callboard.worker import release
from callboard.worker.job import Job
from callboard.worker.pump import Pump
from callboard.worker.slots import Lane, Slots
from tests.support.engine import Engine

Maker = Callable[..., Engine]


class Process:
    """A worker process whose threads are the test and whose pump turns when the test says so."""

    def __init__(self, engine: Engine, threads: int = 4, name: str = "process-0001") -> None:
        self.lane = Lane(engine.spec)
        self.slots = Slots(threads, [self.lane], 0)
        self.started: list[Job] = []
        self.pump = Pump(
            engine.store, name, self.slots, start_job=self.started.append, has_actor=lambda name: name == "work",
            on_outbox=lambda _: None, on_listen=lambda _: None, on_cancel=lambda _: None,
        )  # fmt: skip

    def turn(self, *, beat: bool = False) -> None:
        """One turn of the pump."""
        if beat:
            self.pump._beat_at = 0.0
        self.pump._take_all()
        self.pump._step()

    def end(self, job: Job) -> None:
        """The attempt of ``job`` is over."""
        self.started.remove(job)
        self.pump.ended(job)

    def wake(self) -> None:
        """A mark came."""
        self.pump.woken(self.lane.spec.name)
        self.turn()

    def runs(self) -> list[str]:
        """The ids of the jobs that run, in the order of their start."""
        return [job.stored_id for job in self.started]


BODY = b'{"a":"work","t":1}'


def test_more_jobs_than_one_script_can_take_go_back(engine: Engine) -> None:
    ids = [f"{i:04d}" for i in range(4_200)]
    for first in range(0, len(ids), 200):
        engine.add(*ids[first : first + 200], payload=BODY)
    process = Process(engine, threads=len(ids))
    while engine.snapshot().counts()["waiting"]:
        process.lane.hungry = True
        process.turn()
    assert len(process.runs()) == len(ids)
    process.pump.give_back(process.started)
    process.pump._take_all()
    assert engine.snapshot().counts()["waiting"] == len(ids)
    assert not process.lane.held
    assert process.slots.free == process.slots.threads


def test_what_cannot_be_given_back_is_not_held_for_ever(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.add("a", payload=BODY)
    process = Process(engine)
    process.turn()
    monkeypatch.setattr(release, "release_call", lambda *_: ("release", "q", ("process-0001", b"\xff")))
    process.pump.give_back(process.started)
    process.turn()
    assert "a" not in {job.stored_id for jobs in process.pump.held().values() for job in jobs if job.given_back}
    assert process.slots.free == process.slots.threads


def test_a_late_end_of_a_lost_attempt_does_not_let_go_of_the_new_one(engine: Engine) -> None:
    """The process stood still before the job began; its lease ran out and the process itself fetched the job anew."""
    engine.add("a", payload=BODY)
    process = Process(engine)
    process.turn()
    (lost,) = process.started
    lost.given_back = True
    engine.warp(engine.spec.lease_ms + 1)
    engine.sweep()
    process.wake()
    _, anew = process.started
    process.end(lost)
    process.turn()
    assert process.pump.held() == {"q": [anew]}, "its lease would not be renewed"


def poison(engine: Engine, *ids: str) -> None:
    """Jobs that may start one last time."""
    engine.add(*ids, payload=BODY)
    dying = engine.worker()
    while dying.fetch(len(ids), holds=0):
        engine.warp(engine.spec.lease_ms + 1)
        engine.sweep()
        if all(engine.record(i).stalls >= engine.spec.max_stalls for i in ids):
            return


@pytest.fixture
def busy(make_engine: Maker) -> tuple[Engine, Process]:
    """A process that runs a long job and empties itself for ``poison``, with ``other`` waiting behind it."""
    engine = make_engine(max_stalls=1, lease_ms=30_000)
    poison(engine, "poison")
    engine.add("long", priority=1, payload=BODY)
    process = Process(engine)
    for _ in range(3):
        process.turn()
    assert process.runs() == ["long"]
    engine.add("other", payload=BODY)
    process.wake()
    assert process.runs() == ["long"], "it did not empty itself"
    return engine, process


def test_a_process_fills_again_when_another_took_the_lone_job(busy: tuple[Engine, Process]) -> None:
    engine, process = busy
    assert engine.worker().fetch(1, holds=0) == ["poison"]
    process.turn(beat=True)
    process.wake()
    assert process.runs() == ["long", "other"]


def test_a_process_fills_again_when_its_claim_has_ended(busy: tuple[Engine, Process]) -> None:
    engine, process = busy
    engine.warp(engine.spec.lease_ms + 1)
    process.turn(beat=True)
    process.wake()
    assert process.runs() == ["long", "other"], "a long job kept all other slots of its process empty"
    assert engine.state("poison") == "waiting"


def test_an_emptied_process_starts_the_lone_job_alone(busy: tuple[Engine, Process]) -> None:
    _, process = busy
    process.end(process.started[0])
    process.turn()
    process.turn()
    assert process.runs() == ["poison"]
    process.wake()
    assert process.runs() == ["poison"]
    process.end(process.started[0])
    process.turn()
    process.wake()
    assert process.runs() == ["other"]


def test_a_lone_job_that_was_lost_before_its_start_does_not_stop_its_process(make_engine: Maker) -> None:
    engine = make_engine(max_stalls=1)
    poison(engine, "poison")
    process = Process(engine)
    process.turn()
    (lone,) = process.started
    lone.given_back = True
    process.end(lone)
    engine.add("other", payload=BODY)
    process.wake()
    process.wake()
    assert "other" in process.runs()


def payloads() -> list[Any]:
    return [b"not json", b'{"a":"work","t":1,"o":[1]}', b'{"a":"work","t":1,"k":[1]}', b'{"a":5,"t":1}', b"[]"]


@pytest.mark.parametrize("payload", payloads())
def test_a_stored_message_of_the_wrong_shape_harms_no_neighbour(engine: Engine, payload: bytes) -> None:
    engine.add("bad", payload=payload)
    engine.add("good", payload=BODY)
    process = Process(engine)
    process.turn()
    process.turn()
    assert process.runs() == ["good"]
    assert engine.state("bad") == "failed"


def test_changed_options_that_cannot_be_read_fail_their_job_alone(engine: Engine) -> None:
    engine.add("bad", payload=BODY)
    worker = engine.worker()
    worker.fetch()
    worker.finish("bad", "r", delay=0, options=b"not json")
    engine.add("good", payload=BODY)
    process = Process(engine)
    process.turn()
    process.turn()
    assert process.runs() == ["good"]
    assert engine.state("bad") == "failed"


def nested() -> Any:
    """What no encoder can take: it raises RecursionError."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(("name", "value"), [("options", {"deep": nested()}), ("error", (None, None, None))])
def test_an_end_that_cannot_be_told_holds_up_no_other(engine: Engine, name: str, value: Any) -> None:
    engine.add("bad", "good", payload=BODY)
    process = Process(engine)
    process.turn()
    bad, good = process.started
    bad.outcome = "f"
    setattr(bad, name, value)
    process.end(bad)
    process.end(good)
    process.turn()
    assert (engine.state("bad"), engine.state("good")) == ("failed", "completed")
    assert not process.pump.held()
