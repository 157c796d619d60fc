"""Cancelling what runs: another client than the worker's process asks, the worker hears of it within a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from callboard.errors import JobCancelled, JobNotFound
from callboard.records import JobView
from callboard.service import QueueService
from callboard.verbs.result import look
from tests.support.app import App, Gate
from tests.support.wait import wait_until

#: From the operator's call to the job's end (seconds).
SOON = 1.0


@pytest.fixture
def operator(app: App) -> Iterator[QueueService]:
    """A client with connections of its own, made before any test looks at the clock: finding the nodes of a Cluster
    takes its time."""
    service = QueueService(app.settings)
    service.get_queue_stats("one")
    yield service
    service.close()


def cancelled_soon(app: App, operator: QueueService, message: Any, reason: str = "not wanted") -> JobView:
    began = time.monotonic()
    assert operator.cancel_job("one", message.message_id, reason) == "told"
    job = app.ended(message)
    assert time.monotonic() - began < SOON, "the job heard of its cancel too late"
    assert (job.state, job.reason) == ("cancelled", reason)
    return job


def test_a_running_actor_is_interrupted_and_may_clean_up(app: App, operator: QueueService, gate: Gate) -> None:
    @app.actor(max_attempts=3)
    def work() -> None:
        try:
            gate.wait()
        except JobCancelled:
            app.say("cleaned up")
            raise

    app.start()
    message = work.send()
    gate.reached()
    job = cancelled_soon(app, operator, message)
    assert app.said == ["cleaned up"]
    assert [attempt.outcome for attempt in job.attempts] == ["cancelled"]


def test_an_actor_that_looks_may_stop_by_itself(app: App, operator: QueueService) -> None:
    """Its work is in a thread of its own, where no interrupt gets."""
    running = threading.Event()

    @app.actor(store_results=True)
    def work() -> str:
        message = app.current()
        looks: list[bool] = []

        def inside() -> None:
            running.set()
            wait_until(lambda: message.cancelled, 10)
            looks.append(message.cancelled)

        thread = threading.Thread(target=inside)
        thread.start()
        while thread.is_alive():
            try:
                thread.join()
            except JobCancelled:
                app.say("interrupted")
        return f"stopped: {looks}"

    app.start()
    message = work.send()
    assert running.wait(10)
    cancelled_soon(app, operator, message)
    assert app.said == ["interrupted"]
    assert look(app.broker.store, "one", message.message_id).result is None, "a cancelled job has a result"


def test_an_actor_that_swallows_its_cancel_and_returns_has_completed(
    app: App, operator: QueueService, gate: Gate
) -> None:
    @app.actor
    def work() -> None:
        try:
            gate.wait()
        except JobCancelled:
            app.say("went on")

    app.start()
    message = work.send()
    gate.reached()
    assert operator.cancel_job("one", message.message_id) == "told"
    assert app.ended(message).state == "completed"
    assert app.said == ["went on"]


def test_a_job_that_completes_at_the_same_time_stays_completed(app: App, operator: QueueService, gate: Gate) -> None:
    @app.actor
    def work() -> None:
        gate.wait()

    app.start()
    messages = [work.send() for _ in range(4)]
    gate.reached(4)
    gate.open()
    for message in messages:
        try:
            operator.cancel_job("one", message.message_id)
        except Exception as error:  # noqa: BLE001 - it has ended already
            app.say(error)
    states = [app.ended(message).state for message in messages]
    totals = operator.get_queue_stats("one").totals
    assert set(states) <= {"completed", "cancelled"}
    assert (totals.get("completed", 0), totals.get("cancelled", 0)) == (
        states.count("completed"), states.count("cancelled"),
    )  # fmt: skip


def test_only_the_cancelled_one_of_several_that_run_is_interrupted(
    app: App, operator: QueueService, gate: Gate
) -> None:
    @app.actor
    def work() -> None:
        gate.wait()

    app.start()
    first, second = work.send(), work.send()
    gate.reached(2)
    cancelled_soon(app, operator, first)
    assert app.job(second).state == "active"
    gate.open()
    assert app.ended(second).state == "completed"


def test_a_removed_running_job_is_cancelled_then_gone(app: App, operator: QueueService, gate: Gate) -> None:
    @app.actor
    def work() -> None:
        gate.wait()

    app.start()
    message = work.send()
    gate.reached()
    began = time.monotonic()
    assert operator.remove_job("one", message.message_id, force=True) == "told"

    def is_gone() -> bool:
        try:
            app.job(message)
        except JobNotFound:
            return True
        return False

    wait_until(is_gone, 10, "the job to be gone")
    assert time.monotonic() - began < SOON


def test_a_job_that_waits_for_a_thread_never_starts_once_cancelled(
    make_app: Callable[..., App], gate: Gate
) -> None:
    app = make_app(reserve_ms=1_000, reserve_hold_ms=10_000)
    operator = QueueService(store=app.broker.store, settings=app.settings)

    @app.actor
    def work(name: str) -> None:
        app.say(name)
        if name == "long":
            gate.wait()

    app.start(threads=1)
    for i in range(50):
        work.send(f"quick-{i}")
    long = work.send("long")
    gate.reached()
    unwanted = work.send("unwanted")
    assert operator.cancel_job("one", unwanted.message_id) in ("done", "told")
    gate.open()
    assert app.ended(long).state == "completed"
    assert app.ended(unwanted).state == "cancelled"
    assert "unwanted" not in app.said


def test_a_retried_job_runs_again_with_what_it_had(app: App, operator: QueueService) -> None:
    @app.actor(max_attempts=1)
    def work(n: int) -> None:
        app.say((n, app.current().attempt, app.current().is_last_attempt))
        if len(app.said) == 1:
            raise ValueError("broken")

    app.start()
    message = work.send_with_options(args=(7,), priority=3)
    assert app.ended(message).state == "failed"
    assert operator.retry_job("one", message.message_id) == "done"
    job = wait_until(lambda: (j := app.job(message)).state == "completed" and j)
    assert app.said == [(7, 1, True), (7, 2, True)]
    assert job.priority == 3
    assert [attempt.outcome for attempt in job.attempts] == ["failed"]
