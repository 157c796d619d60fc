"""Dramatiq's groups and their completion callbacks, and the examples of its guide, on our broker.

The examples are those of dramatiq.io's user guide ("Message Results", "Composition") with other words for their actors;
what they fetch from the network is replaced by arithmetic.
"""

from __future__ import annotations

from typing import Any

import pytest
from dramatiq import group, pipeline

from callboard import QueueService
from tests.integration.conftest import AppMaker
from tests.support.app import App, Gate
from tests.support.wait import wait_until


@pytest.fixture
def adder(app: App) -> Any:
    """``add``, which returns a sum, on queue ``one``."""

    def add(a: int, b: int) -> int:
        return a + b

    return app.actor(add, store_results=True)


@pytest.fixture
def done(app: App) -> Any:
    """``done``, which notes what it was called with, on queue ``two``."""
    return app.actor(lambda *args: app.say(args), actor_name="done", queue_name="two")


# The guide's examples


def test_guide_results_of_a_message(app: App, adder: Any) -> None:
    app.start()
    message = adder.send(1, 2)
    assert message.get_result(block=True) == 3


def test_guide_a_group_and_its_results(app: App, adder: Any) -> None:
    app.start()
    g = group([adder.message(1, 2), adder.message(2, 3), adder.message(3, 4)]).run()
    assert list(g.get_results(block=True, timeout=5_000)) == [3, 5, 7]
    g.wait(timeout=10_000)
    assert g.completed
    assert g.completed_count == 3


def test_guide_a_pipeline_of_actors(app: App, adder: Any) -> None:
    multiply = app.actor(lambda x, y: x * y, actor_name="multiply", queue_name="three", store_results=True)
    app.start()
    pipe = pipeline([adder.message(1, 2), multiply.message(10), adder.message(100)]).run()
    assert pipe.get_result(block=True, timeout=5_000) == 130
    assert list(pipe.get_results(block=True, timeout=5_000)) == [3, 30, 130]
    other = (adder.message(2, 2) | adder.message(4) | multiply.message(2)).run()
    assert other.get_result(block=True, timeout=5_000) == 16


def test_guide_a_group_of_pipelines(app: App, adder: Any) -> None:
    app.start()
    g = group([adder.message(1, 1) | adder.message(1), adder.message(2, 2) | adder.message(2)]).run()
    assert list(g.get_results(block=True, timeout=5_000)) == [3, 6]


def test_guide_a_completion_callback(app: App, adder: Any, done: Any) -> None:
    app.start()
    g = group([adder.message(1, 2), adder.message(3, 4)])
    g.add_completion_callback(done.message("all"))
    g.run()
    wait_until(lambda: app.said, 10, "the callback")
    app.drained()
    assert app.said == [("all",)]


# What Dramatiq's own barriers cannot promise


def test_the_callbacks_come_after_the_last_job_and_once(app: App, done: Any, gate: Gate) -> None:
    def work(n: int) -> None:
        if n == 0:
            gate.wait()
        app.say(n)

    worker = app.actor(work, queue_name="three")
    app.start()
    g = group([worker.message(n) for n in range(20)])
    g.add_completion_callback(done.message("first"))
    g.add_completion_callback(done.message("second"))
    g.run()
    wait_until(lambda: len(app.said) == 19, 10, "all jobs but one")
    assert app.stats("two").totals.get("added", 0) == 0, "the callbacks wait for the last job"
    gate.open()
    wait_until(lambda: len(app.said) == 22, 10, "the callbacks")
    app.drained()
    assert sorted(app.said[-2:]) == [("first",), ("second",)]


def test_a_job_that_fails_at_first_counts_when_it_completes(app: App, done: Any) -> None:
    tries: list[int] = []

    def flaky(n: int) -> None:
        tries.append(n)
        if tries.count(n) == 1:
            raise RuntimeError("at first")

    worker = app.actor(flaky)
    app.start()
    g = group([worker.message(n) for n in range(5)])
    g.add_completion_callback(done.message("all"))
    g.run()
    wait_until(lambda: app.said, 10, "the callback")
    app.drained()
    assert app.said == [("all",)]
    assert sorted(tries) == sorted([*range(5)] * 2)


def test_no_callback_while_a_job_of_the_group_has_failed(app: App, done: Any) -> None:
    state = {"broken": True}

    def work(n: int) -> None:
        if n == 1 and state["broken"]:
            raise RuntimeError("broken")

    worker = app.actor(work, max_retries=0)
    app.start()
    messages = [worker.message(n) for n in range(3)]
    g = group(messages)
    g.add_completion_callback(done.message("all"))
    g.run()
    failed = wait_until(lambda: app.stats("one").failed == 1, 10, "the failure")
    assert failed
    app.drained()
    assert not app.said
    state["broken"] = False
    service = QueueService(app.settings, store=app.broker.store)
    (job,) = service.get_failed_jobs("one").jobs
    service.retry_job("one", job.id)
    wait_until(lambda: app.said, 10, "the callback after the retry")


def test_pipelines_in_a_group_count_by_their_last_link(app: App, adder: Any, done: Any) -> None:
    app.start()
    g = group([adder.message(1, 2) | adder.message(3), adder.message(5, 5)])
    g.add_completion_callback(done.message("all"))
    g.run()
    wait_until(lambda: app.said, 10, "the callback")
    app.drained()
    assert app.said == [("all",)]
    assert list(g.get_results(block=True)) == [6, 10]


def test_a_group_run_twice_calls_back_twice(app: App, adder: Any, done: Any) -> None:
    app.start()
    for _ in range(2):
        g = group([adder.message(1, 2), adder.message(3, 4)])
        g.add_completion_callback(done.message("all"))
        g.run()
    wait_until(lambda: len(app.said) == 2, 10, "both callbacks")


def test_a_callback_that_cannot_be_sent_fails_the_job_and_says_so(make_app: AppMaker) -> None:
    app = make_app(queues={"one": {}, "two": {"max_payload_bytes": 100}, "three": {}})
    done = app.actor(lambda *args: app.say(args), actor_name="done", queue_name="two")
    work = app.actor(lambda: None, actor_name="work")
    app.start()
    message = work.message()
    g = group([message])
    g.add_completion_callback(done.message("x" * 200))
    g.run()
    wait_until(lambda: app.stats("one").failed == 1, 10, "the job to fail")
    (job,) = QueueService(app.settings, store=app.broker.store).get_failed_jobs("one").jobs
    assert job.reason.startswith("what follows the group could not be sent: the payload is")
