"""Who watches a worker process from within: told what Redis took, once, and of nothing else."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import dramatiq
import pytest

from callboard.ids import pack_id
from callboard.verbs.cycle import Finish
from callboard.verbs.leases import release_call
from callboard.worker.job import Job
from tests.support.app import App, Gate
from tests.support.wait import wait_until


class Notes:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, str]] = []
        self.sent = 0
        self.back: list[tuple[str, int]] = []
        self.calls: list[tuple[str, float]] = []

    def ended(self, queue: str, ends: Sequence[tuple[Finish, Job]], sent: int) -> None:
        self.ends += [(job.message_id, finish[2]) for finish, job in ends]
        self.sent += sent

    def requeued(self, queue: str, jobs: int) -> None:
        self.back.append((queue, jobs))

    def called(self, verb: str, seconds: float) -> None:
        self.calls.append((verb, seconds))


class Watch(dramatiq.Middleware):
    """Sets the observer as the metrics do."""

    def __init__(self, observer: Notes) -> None:
        self._observer = observer

    def before_worker_boot(self, broker: Any, worker: dramatiq.Worker) -> None:
        broker.runtime.observe(self._observer)


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def watched(app: App, notes: Notes) -> App:
    app.broker.add_middleware(Watch(notes))
    return app


def noted(notes: Notes, *ends: tuple[str, str]) -> None:
    wait_until(lambda: len(notes.ends) >= len(ends), 10, lambda: f"{ends}; noted: {notes.ends}")
    assert sorted(notes.ends) == sorted(ends)


def test_every_end_that_redis_took_is_told_once(watched: App, notes: Notes) -> None:
    @watched.actor(max_attempts=2)
    def works(fail: bool = False) -> None:
        if fail:
            raise ValueError("no")

    watched.start()
    good, bad = works.send(), works.send(fail=True)
    watched.ended(good), watched.ended(bad)
    noted(notes, (good.message_id, "c"), (bad.message_id, "r"), (bad.message_id, "f"))
    assert notes.sent == 3
    assert notes.back == []
    assert {verb for verb, _ in notes.calls} >= {"cycle"}
    assert all(seconds > 0 for _, seconds in notes.calls)


def test_an_end_that_came_too_late_is_not_told(watched: App, notes: Notes) -> None:
    gate = Gate()
    first: list[bool] = []

    @watched.actor
    def works() -> None:
        if not first:
            first.append(True)
            gate.wait()

    watched.start(threads=2)
    message = works.send()
    gate.reached()
    store, runtime = watched.broker.store, watched.broker.runtime
    (job,) = runtime.pump.held()["one"]
    call = release_call(runtime.worker_id, "one", [(pack_id(message.message_id), job.number)])
    assert store.call(*call) == b"1", "the lease of the first attempt is taken away"
    watched.ended(message)
    noted(notes, (message.message_id, "c"))
    gate.open()
    wait_until(lambda: notes.sent == 2, 10, "the late finish to be refused")
    assert notes.ends == [(message.message_id, "c")], "one of the two ends counts"


def test_what_still_runs_when_the_process_ends_goes_back(watched: App, notes: Notes) -> None:
    gate = Gate()

    @watched.actor
    def works() -> None:
        gate.wait()

    worker = watched.start()
    works.send()
    gate.reached()
    try:
        worker.stop(timeout=50)
        watched.broker.runtime.close()
        assert notes.back == [("one", 1)]
        assert notes.ends == []
    finally:
        gate.open()


def test_an_observer_that_fails_holds_nothing_up(
    watched: App, notes: Notes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(notes, "ended", fails)

    @watched.actor
    def works() -> None: ...

    watched.start()
    for message in [works.send() for _ in range(3)]:
        assert watched.ended(message).state == "completed"
    watched.drained()
    wait_until(lambda: not watched.broker.runtime.pump.held(), 10, "the pump to let go of them")
    assert any("were not observed" in r.getMessage() for r in caplog.records if r.levelno == logging.ERROR)


def test_a_call_that_failed_is_told_as_well(watched: App, notes: Notes) -> None:
    watched.start()
    store = watched.broker.store
    store.on_call = notes.called
    notes.calls.clear()
    with pytest.raises(Exception, match="rong number|must be|nil|value"):
        store.call("cycle", "one", ("too few",))
    assert "cycle" in {verb for verb, _ in notes.calls}
