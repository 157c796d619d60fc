"""Dramatiq's API: what is sent arrives as it was sent, when and in the order that it should."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dramatiq
import pytest
from dramatiq.encoder import PickleEncoder
from dramatiq.errors import QueueJoinTimeout

from callboard.errors import InvalidOption, PayloadInvalid, PayloadTooLarge
from callboard.verbs.looking import list_jobs
from tests.support.app import App, Gate


def test_positional_and_keyword_arguments_arrive(app: App) -> None:
    @app.actor
    def take(*args: Any, **kwargs: Any) -> None:
        app.say((args, kwargs))

    message = take.send(1, [2, {"three": None}], four=4.5, five=True)
    app.start()
    assert app.ended(message).state == "completed"
    assert app.said == [((1, [2, {"three": None}]), {"four": 4.5, "five": True})]


def test_text_of_any_script_arrives(app: App) -> None:
    text = 'Grüße, Привет, 你好, 👩‍👩‍👧‍👦, \u0000, \u2028, \U0010ffff, "quoted" \\ back'

    @app.actor
    def take(text: str, **more: str) -> None:
        app.say((text, more))

    message = take.send(text, schlüssel=text)
    app.start()
    assert app.ended(message).state == "completed"
    assert app.said == [(text, {"schlüssel": text})]


def test_a_payload_up_to_the_limit_arrives_and_one_over_it_is_refused(app: App) -> None:
    @app.actor
    def take(text: str) -> None:
        app.say(len(text))

    message = take.send("x" * 250_000)
    with pytest.raises(PayloadTooLarge, match="262144"):
        take.send("x" * 262_144)
    app.start()
    assert app.ended(message).state == "completed"
    assert app.said == [250_000]
    app.drained()
    assert list_jobs(app.broker.store, "one", "completed").total == 1, "the refused one left nothing"


def test_what_cannot_be_encoded_is_refused(app: App) -> None:
    @app.actor
    def take(value: Any) -> None:
        raise AssertionError("must not run")

    with pytest.raises(PayloadInvalid, match="take"):
        take.send(object())
    assert list_jobs(app.broker.store, "one", "waiting").total == 0


@pytest.mark.parametrize("delay", [300, timedelta(milliseconds=300)], ids=["ms", "timedelta"])
def test_a_delayed_job_waits_in_redis_until_its_time(app: App, delay: Any) -> None:
    @app.actor
    def take() -> None:
        app.say("ran")

    app.start()
    message = take.send_with_options(delay=delay)
    job = app.job(message)
    assert job.state == "delayed"
    assert job.due_ms - job.added_ms == 300
    ended = app.ended(message)
    assert ended.started_ms >= job.due_ms, "it started before its time"
    assert app.said == ["ran"]


def test_jobs_run_in_the_order_of_their_priority(app: App) -> None:
    @app.actor
    def plain(name: str) -> None:
        app.say(name)

    @app.actor(priority=2)
    def urgent(name: str) -> None:
        app.say(name)

    messages = [
        plain.send_with_options(args=("low",), priority=9),
        plain.send("queue's default, first"),
        plain.send_with_options(args=("queue's default, second",), priority=0),
        urgent.send("actor's"),
        urgent.send_with_options(args=("message's before the actor's",), priority=7),
        plain.send_with_options(args=("high",), priority=1),
    ]
    app.start(threads=1)
    app.drained()
    assert app.said == [
        "high", "actor's", "queue's default, first", "queue's default, second", "message's before the actor's", "low",
    ]  # fmt: skip
    assert [app.job(m).priority for m in messages] == [9, 5, 5, 2, 7, 1]


@pytest.mark.parametrize("priority", [-1, 1001, 2.5, "high"])
def test_an_actor_of_an_impossible_priority_is_refused(app: App, priority: Any) -> None:
    with pytest.raises(InvalidOption, match="priority"):
        app.actor(lambda: None, actor_name="impossible", priority=priority)
    assert "impossible" not in app.broker.actors


def test_options_reach_the_actor_with_its_message(app: App) -> None:
    @app.actor
    def take() -> None:
        job = app.current()
        app.say((job.message_id, job.options, job.workspace, job.priority, job.attempt, job.max_attempts))

    message = take.send_with_options(workspace="acme", tags=["a", "b"], max_attempts=7, priority=3, colour="blue")
    app.start()
    app.ended(message)
    options = {"tags": ["a", "b"], "max_attempts": 7, "colour": "blue"}
    assert app.said == [(message.message_id, options, "acme", 3, 1, 7)]


def test_there_is_no_current_message_outside_of_an_actor(app: App) -> None:
    @app.actor
    def take() -> None:
        app.say(app.current() is not None)

    app.start()
    app.ended(take.send())
    assert app.said == [True]
    assert app.current() is None


def test_an_actor_can_be_called_as_a_function(app: App) -> None:
    @app.actor(time_limit=1)
    def double(n: int) -> int:
        return 2 * n

    @app.actor
    def caller() -> None:
        app.say(double(3))

    assert double(2) == 4
    app.start()
    assert app.ended(caller.send()).state == "completed"
    assert app.said == [6]


def test_what_an_actor_sends_is_there_at_once_whatever_becomes_of_it(app: App, gate: Gate) -> None:
    @app.actor(queue_name="two")
    def other() -> None:
        app.say("other")

    @app.actor(max_retries=0)
    def sends() -> None:
        other.send()
        gate.wait()
        raise RuntimeError("after sending")

    app.start()
    message = sends.send()
    gate.reached()
    app.drained("two")
    assert app.said == ["other"], "a job sent by a running actor does not wait for its end"
    gate.open()
    assert app.ended(message).state == "failed"


def test_a_message_enqueued_twice_runs_once(app: App) -> None:
    @app.actor
    def take() -> None:
        app.say("ran")

    message = take.send()
    app.broker.enqueue(message)
    app.start()
    app.drained()
    app.broker.enqueue(message)
    app.drained()
    assert app.said == ["ran"]


def test_join_waits_for_a_queue(app: App, gate: Gate) -> None:
    @app.actor
    def take() -> None:
        gate.wait()
        app.say("ran")

    app.start()
    take.send()
    with pytest.raises(QueueJoinTimeout):
        app.broker.join("one", timeout=50)
    gate.open()
    app.broker.join("one", timeout=10_000)
    assert app.said == ["ran"]


def test_options_that_no_middleware_declares_are_refused(app: App) -> None:
    with pytest.raises(ValueError, match="no_such_option"):
        app.actor(lambda: None, actor_name="odd", no_such_option=1)


@pytest.fixture
def pickled() -> Iterator[None]:
    before = dramatiq.get_encoder()
    dramatiq.set_encoder(PickleEncoder())
    yield
    dramatiq.set_encoder(before)


def test_an_encoder_of_the_applications_own_is_used_for_messages_results_and_retries(pickled: None, app: App) -> None:
    @app.actor(store_results=True)
    def take(value: set[int]) -> Any:
        job = app.current()
        app.say(value)
        if job.attempt == 1:
            job.options["seen"] = value
            raise RuntimeError("once more")
        return {"value": value, "seen": job.options["seen"]}

    app.start()
    message = take.send({1, 2})
    assert message.get_result(block=True) == {"value": {1, 2}, "seen": {1, 2}}
    assert app.said == [{1, 2}, {1, 2}]
    with pytest.raises(PayloadInvalid):
        take.send(lambda: None)
