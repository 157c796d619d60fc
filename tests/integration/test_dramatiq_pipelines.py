"""Dramatiq's pipelines: each link is sent with the finish of the one before it, whatever queue it is on."""

from __future__ import annotations

from typing import Any

import pytest
from dramatiq import group, pipeline
from dramatiq.results import ResultFailure, ResultMissing

from tests.integration.conftest import AppMaker
from tests.support.app import App


def adders(app: App, **options: Any) -> list[Any]:
    """Actors ``add_one``, ``add_two``, ``add_three``, each on the queue of its number."""

    def add(a: int, b: int) -> int:
        app.say((a, b))
        return a + b

    names = ("one", "two", "three")
    return [app.actor(add, actor_name=f"add_{n}", queue_name=n, store_results=True, **options) for n in names]


def test_three_links_over_three_queues(app: App) -> None:
    one, two, three = adders(app)
    app.start()
    pipe = one.message(1, 2) | two.message(10) | three.message(100)
    pipe.run()
    assert pipe.get_result(block=True) == 113
    assert list(pipe.get_results(block=True)) == [3, 13, 113]
    assert app.said == [(1, 2), (10, 3), (100, 13)]
    assert pipe.completed
    assert pipe.completed_count == 3


def test_pipe_ignore_drops_the_value_of_the_link_before(app: App) -> None:
    one, two, _ = adders(app)

    @app.actor(queue_name="three", pipe_ignore=True)
    def ignores(*args: Any) -> int:
        app.say(args)
        return 7

    app.start()
    pipe = pipeline([
        one.message(1, 2), two.message_with_options(args=(5, 5), pipe_ignore=True), ignores.message("own"),
        one.message(1),
    ])  # fmt: skip
    pipe.run()
    app.drained()
    # The option belongs to a message for the value that it gets, to an actor for the value that it gives.
    assert app.said == [(1, 2), (5, 5), ("own", 10)]
    assert app.job(pipe.messages[3]).state == "failed", "it got no second argument"


def test_links_can_be_delayed(app: App) -> None:
    one, two, _ = adders(app)
    app.start()
    pipe = one.message(1, 2) | two.message_with_options(args=(10,), delay=300)
    pipe.run(delay=200)
    assert app.job(pipe.messages[0]).state == "delayed"
    assert pipe.get_result(block=True) == 13
    first, second = (app.ended(message) for message in pipe.messages)
    assert first.started_ms - first.added_ms >= 200
    assert second.started_ms - first.ended_ms >= 300


def test_a_link_that_fails_ends_the_pipeline(app: App) -> None:
    one, _, three = adders(app)

    @app.actor(queue_name="two", store_results=True, max_retries=1)
    def fails(value: int) -> None:
        app.say(("fails", value))
        raise ValueError("no")

    app.start()
    pipe = one.message(1, 2) | fails.message() | three.message(100)
    pipe.run()
    with pytest.raises(ResultFailure, match="ValueError"):
        pipe.messages[1].get_result(block=True)
    app.drained()
    assert app.said == [(1, 2), ("fails", 3), ("fails", 3)]
    with pytest.raises(ResultMissing):
        pipe.get_result()


def test_a_link_that_is_retried_goes_on_once(app: App) -> None:
    _, two, _ = adders(app)

    @app.actor(store_results=True)
    def flaky(n: int) -> int:
        if app.current().attempt < 3:
            raise ValueError("again")
        return n

    app.start()
    pipe = flaky.message(1) | two.message(10)
    pipe.run()
    assert pipe.get_result(block=True) == 11
    app.drained()
    assert app.said == [(10, 1)]


@pytest.mark.parametrize("fits", [True, False])
def test_a_link_that_cannot_be_sent_fails_the_job_before_it(make_app: AppMaker, fits: bool) -> None:
    app = make_app(queues={"one": {"max_attempts": 3}, "two": {"max_payload_bytes": 500}})

    @app.actor(queue_name="one", store_results=True)
    def large() -> str:
        app.say("large")
        return "x" * (100 if fits else 1_000)

    @app.actor(queue_name="two", store_results=True)
    def length(text: str) -> int:
        return len(text)

    app.start()
    pipe = large.message() | length.message()
    pipe.run()
    job = app.ended(pipe.messages[0])
    if fits:
        assert pipe.get_result(block=True) == 100
        return
    assert job.state == "failed", "a pipeline must not end half-way as if all was well"
    assert "queue 'two' takes 500" in job.reason
    assert job.attempts_made == 1
    with pytest.raises(ResultFailure, match="takes 500"):
        pipe.messages[0].get_result(block=True)


def test_groups_and_pipelines_in_groups(app: App) -> None:
    one, two, three = adders(app)
    app.start()
    jobs = group([one.message(1, 1), two.message(2, 2) | three.message(3), three.message(4, 4)])
    jobs.run()
    assert list(jobs.get_results(block=True)) == [2, 7, 8]
    assert jobs.completed
