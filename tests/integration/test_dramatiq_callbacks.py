"""Callbacks: sent through the outbox, with the finish of the attempt that they tell of, or not at all."""

from __future__ import annotations

from typing import Any

import dramatiq

from callboard.verbs.leases import reclaim
from tests.support.app import App, Gate
from tests.support.wait import wait_until


def listeners(app: App) -> None:
    """Actors ``succeeded``, ``failed`` and ``exhausted`` on other queues, which note what they are told."""
    for name, queue in (("succeeded", "two"), ("failed", "three"), ("exhausted", "three")):
        app.actor(lambda message, told, name=name: app.say((name, message, told)), actor_name=name, queue_name=queue)


def test_success_is_told_with_the_message_and_its_value(app: App) -> None:
    listeners(app)

    @app.actor(on_success="succeeded", on_failure="failed")
    def double(n: int) -> int:
        return 2 * n

    app.start()
    message = double.send(4)
    app.drained()
    ((name, about, value),) = app.said
    assert (name, value) == ("succeeded", 8)
    assert about["message_id"] == message.message_id
    assert (about["actor_name"], about["args"]) == ("double", [4])


def test_each_failed_attempt_is_told_and_the_end_of_the_attempts_once(app: App) -> None:
    listeners(app)

    @app.actor(max_retries=1, on_success="succeeded", on_failure="failed", on_retry_exhausted="exhausted")
    def fails() -> None:
        raise ValueError("no")

    app.start()
    message = fails.send()
    app.drained()
    error = {"type": "ValueError", "message": "no"}
    assert [(name, told) for name, _, told in app.said if name == "failed"] == [("failed", error)] * 2
    assert [told for name, _, told in app.said if name == "exhausted"] == [{"retries": 1, "max_retries": 1}]
    assert len(app.said) == 3
    assert {about["message_id"] for _, about, _ in app.said} == {message.message_id}


def test_an_error_that_is_never_retried_exhausts_nothing(app: App) -> None:
    listeners(app)

    @app.actor(throws=ValueError, on_failure="failed", on_retry_exhausted="exhausted")
    def fails() -> None:
        raise ValueError("no")

    app.start()
    assert app.ended(fails.send()).attempts_made == 1
    app.drained()
    assert [name for name, _, _ in app.said] == ["failed"]


def test_callbacks_can_be_given_with_the_message(app: App) -> None:
    listeners(app)

    @app.actor
    def double(n: int) -> int:
        return 2 * n

    app.start()
    double.send_with_options(args=(4,), on_success=app.broker.get_actor("succeeded"))
    double.send(5)
    app.drained()
    assert [(name, value) for name, _, value in app.said] == [("succeeded", 8)]


def test_a_callback_that_nobody_has_leaves_the_job_completed(app: App) -> None:
    @app.actor(on_success="nobody")
    def fine() -> None:
        app.say("ran")

    app.start()
    assert app.ended(fine.send()).state == "completed"


def test_an_attempt_that_lost_its_job_tells_nobody(app: App, gate: Gate) -> None:
    listeners(app)
    runs: list[int] = []

    @app.actor(on_success="succeeded")
    def twice() -> int:
        runs.append(0)
        run = len(runs)
        if run == 1:
            gate.wait()
        return run

    app.start()
    message = twice.send()
    gate.reached()
    # As if the lease had run out while the process was cut off: the job goes to whoever asks next.
    assert reclaim(app.broker.store, app.broker.runtime.worker_id, "one", [], 0) == 1
    app.broker.runtime.pump.look_everywhere()
    wait_until(lambda: len(runs) == 2, 10, "the job to run again")
    assert app.ended(message).state == "completed"
    gate.open()
    app.stop_worker()
    app.start()
    app.drained()
    assert [value for _, _, value in app.said] == [2], "only the attempt that held the job tells"
    totals = app.stats("one").totals
    assert (totals["completed"], totals["stale_finishes"]) == (1, 1)


class SendsAfterwards(dramatiq.Middleware):
    """Sends a job from each hook of an attempt's end."""

    def __init__(self, app: App) -> None:
        self._app = app

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self._send(message, "after_process_message")

    def before_ack(self, broker: Any, message: Any) -> None:
        self._send(message, "before_ack")

    def after_ack(self, broker: Any, message: Any) -> None:
        self._send(message, "after_ack")

    def _send(self, message: Any, hook: str) -> None:
        if message.actor_name == "fine":
            self._app.broker.get_actor("note").send(hook)


def test_what_hooks_send_after_the_actor_arrives(app: App) -> None:
    app.broker.add_middleware(SendsAfterwards(app))

    @app.actor(queue_name="two")
    def note(hook: str) -> None:
        app.say(hook)

    @app.actor
    def fine() -> None:
        return None

    app.start()
    fine.send()
    wait_until(lambda: len(app.said) == 3, 10, lambda: f"three notes, got {app.said}")
    assert sorted(app.said) == ["after_ack", "after_process_message", "before_ack"]
