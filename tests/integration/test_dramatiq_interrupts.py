"""Time limits, shutdown and age: what ends an attempt from outside."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from dramatiq.middleware import Shutdown, TimeLimitExceeded

from tests.support.app import App, Gate
from tests.support.wait import last, wait_until


def spin(seconds: float = 20.0) -> None:
    """Run in small steps, so that an interrupt gets through."""
    wait_until(lambda: False, seconds)


@pytest.mark.parametrize("by", ["actor", "message", "queue"])
def test_a_time_limit_ends_an_attempt(make_app: Any, by: str) -> None:
    spec = {"max_attempts": 2, "backoff_base_ms": 10, "time_limit_ms": 100 if by == "queue" else 60_000}
    app: App = make_app(queues={"one": spec})

    @app.actor(**({"time_limit": 100} if by == "actor" else {}))
    def slow() -> None:
        app.say(app.current().attempt)
        spin()

    app.start()
    job = app.ended(slow.send_with_options(**({"time_limit": 100} if by == "message" else {})))
    assert (job.state, job.attempts_made) == ("failed", 2)
    assert [a.error_type for a in job.attempts] == ["TimeLimitExceeded"] * 2
    assert all(100 <= a.ended_ms - a.started_ms + 2 < 3_000 for a in job.attempts)
    assert app.said == [1, 2]


def test_an_actor_may_clean_up_at_its_time_limit_and_is_not_interrupted_again(app: App) -> None:
    @app.actor(time_limit=50, max_retries=0, store_results=True)
    def slow() -> str:
        try:
            spin()
        except TimeLimitExceeded:
            app.say("cleaning up")
            last(0.3)  # several looks of whoever watches deadlines
            return "cleaned up"
        return "never"

    app.start()
    message = slow.send()
    assert message.get_result(block=True) == "cleaned up"
    assert app.ended(message).state == "completed"


def test_a_thread_goes_on_after_a_time_limit(app: App) -> None:
    @app.actor(time_limit=50, max_retries=0)
    def slow() -> None:
        spin()

    @app.actor
    def quick(n: int) -> None:
        app.say(n)

    app.start(threads=1)
    first = slow.send()
    others = [quick.send(n) for n in range(50)]
    assert app.ended(first).state == "failed"
    assert all(app.ended(message).state == "completed" for message in others)
    assert app.said == list(range(50))


def test_an_interrupted_send_leaves_the_connection_usable(app: App) -> None:
    @app.actor(queue_name="two")
    def note(n: int) -> None:
        app.say(n)

    @app.actor(time_limit=60, max_retries=0)
    def sends() -> None:
        while True:
            note.send(1)

    @app.actor
    def sends_one() -> None:
        note.send(2)

    app.start(threads=1)
    for _ in range(3):
        assert app.ended(sends.send()).state == "failed"
        assert app.ended(sends_one.send()).state == "completed"
    app.drained()
    assert app.said.count(2) == 3


def test_async_actors_run_and_see_their_message(app: App) -> None:
    @app.actor(store_results=True)
    async def add(a: int, b: int) -> Any:
        await asyncio.sleep(0.001)
        return [a + b, app.current().message_id]

    app.start()
    messages = [add.send(n, n) for n in range(10)]
    assert [m.get_result(block=True) for m in messages] == [[2 * n, m.message_id] for n, m in enumerate(messages)]


def test_an_async_actor_that_fails_is_retried(app: App) -> None:
    @app.actor(store_results=True)
    async def flaky() -> int:
        await asyncio.sleep(0)
        if app.current().attempt < 3:
            raise ValueError("again")
        return 3

    app.start()
    message = flaky.send()
    assert message.get_result(block=True) == 3
    assert [a.error_type for a in app.ended(message).attempts] == ["ValueError", "ValueError"]


def test_a_time_limit_cancels_an_async_actor(app: App) -> None:
    @app.actor(time_limit=100, max_retries=0)
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            app.say("cancelled")
            raise

    app.start()
    job = app.ended(slow.send())
    assert (job.state, job.attempts[-1].error_type) == ("failed", "TimeLimitExceeded")
    assert app.said == ["cancelled"]


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_an_actor_that_asked_for_it_is_told_of_a_shutdown_and_its_job_goes_back(app: App, kind: str) -> None:
    def run() -> None:
        app.say(("starts", app.current().attempt))
        if len(app.said) > 1:
            return
        try:
            spin()
        except Shutdown:
            app.say("told")
            raise

    async def run_async() -> None:
        app.say(("starts", app.current().attempt))
        if len(app.said) > 1:
            return
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            app.say("told")
            raise

    actor = app.actor(run if kind == "plain" else run_async, actor_name="run", notify_shutdown=True, max_retries=0)
    app.start()
    message = actor.send()
    wait_until(lambda: app.said, 10, "the job to start")
    app.stop_worker()
    assert app.said == [("starts", 1), "told"]
    job = app.job(message)
    assert (job.state, job.attempts_made, job.stalls, job.attempts) == ("waiting", 0, 0, [])
    app.start()
    assert app.ended(message).state == "completed"
    assert app.said == [("starts", 1), "told", ("starts", 1)], "the attempt that was broken off did not count"


def test_an_actor_that_did_not_ask_finishes_at_a_shutdown(app: App, gate: Gate) -> None:
    @app.actor
    def run() -> None:
        gate.wait()
        app.say("finished")

    app.start()
    message = run.send()
    gate.reached()
    stopping = threading.Thread(target=app.stop_worker)
    stopping.start()
    gate.open()
    stopping.join()
    assert app.said == ["finished"]
    assert app.job(message).state == "completed"


@pytest.mark.parametrize("by", ["actor", "message"])
def test_a_job_that_is_too_old_fails_and_says_why(app: App, by: str) -> None:
    @app.actor(store_results=True, **({"max_age": 50} if by == "actor" else {}))
    def run() -> None:
        app.say("ran")

    message = run.send_with_options(delay=100, **({"max_age": 50} if by == "message" else {}))
    app.start()
    job = app.ended(message)
    assert (job.state, job.reason, job.attempts_made) == ("failed", "Message age limit exceeded", 1)
    assert app.said == []


def test_a_job_that_is_young_enough_runs(app: App) -> None:
    @app.actor(max_age=60_000)
    def run() -> None:
        app.say("ran")

    app.start()
    assert app.ended(run.send()).state == "completed"
    assert app.said == ["ran"]
