"""What becomes of a failed attempt: Dramatiq's options and exceptions, and its own Retries middleware."""

from __future__ import annotations

import itertools
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.middleware import CurrentMessage
from dramatiq.rate_limits import BucketRateLimiter, ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend
from dramatiq.results import Results

from callboard import PermanentError
from callboard.results import CallboardResults
from callboard.store.store import open_store
from tests.integration.conftest import AppMaker
from tests.support.app import App, Gate
from tests.support.redis_server import Server
from tests.support.wait import wait_until


def failing(app: App, error: BaseException | None = None, **options: Any) -> Any:
    """An actor that notes each attempt and raises."""

    def fails() -> None:
        app.say(app.current().attempt)
        raise error or ValueError("no")

    return app.actor(fails, actor_name="fails", **options)


@pytest.mark.parametrize(
    ("actor_options", "message_options", "attempts"),
    [
        ({}, {}, 3),
        ({"max_retries": 1}, {}, 2),
        ({"max_retries": 0}, {}, 1),
        ({"max_attempts": 4}, {}, 4),
        ({"max_retries": 1}, {"max_retries": 3}, 4),
        ({"max_attempts": 2}, {"max_attempts": 1}, 1),
        ({"throws": ValueError}, {}, 1),
        ({"throws": (KeyError, ValueError)}, {}, 1),
        ({"throws": KeyError}, {}, 3),
        ({"retry_when": lambda retries, error: retries < 4}, {}, 5),
        ({"retry_when": lambda retries, error: isinstance(error, KeyError)}, {}, 1),
    ],
)  # fmt: skip
def test_how_often_a_failing_job_runs(app: App, actor_options: Any, message_options: Any, attempts: int) -> None:
    fails = failing(app, **actor_options)
    app.start()
    job = app.ended(fails.send_with_options(**message_options))
    assert (job.state, job.attempts_made, job.reason) == ("failed", attempts, "ValueError: no")
    assert app.said == list(range(1, attempts + 1))
    assert [a.outcome for a in job.attempts] == ["retried"] * (attempts - 1) + ["failed"]
    assert {a.error_type for a in job.attempts} == {"ValueError"}
    assert "raise error or ValueError" in job.attempts[-1].traceback


def test_a_permanent_error_is_not_retried(app: App) -> None:
    fails = failing(app, PermanentError("never"))
    app.start()
    assert app.ended(fails.send()).attempts_made == 1


class Unspeakable(Exception):
    """Fails when it is asked what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Unspeakable()], ids=type)
def test_any_exception_is_a_failed_attempt_and_the_worker_lives(app: App, error: BaseException) -> None:
    fails = failing(app, error)
    worker = app.start(threads=2)
    job = app.ended(fails.send())
    assert (job.state, job.attempts_made) == ("failed", 3)
    assert job.attempts[0].error_type == type(error).__name__
    assert all(thread.is_alive() for thread in worker.workers)


def test_a_predicate_that_raises_fails_the_job(app: App) -> None:
    def broken(retries: int, error: BaseException) -> bool:
        raise ZeroDivisionError("the predicate's own")

    fails = failing(app, retry_when=broken)
    app.start()
    job = app.ended(fails.send())
    assert (job.state, job.reason) == ("failed", "ValueError: no")


@pytest.mark.parametrize(
    ("options", "error", "waits"),
    [
        ({"min_backoff": 60, "max_backoff": 200, "backoff": "exponential", "max_retries": 3}, None, [60, 120, 200]),
        ({"backoff_base_ms": 70, "backoff_cap_ms": 80, "backoff": "exponential"}, None, [70, 80]),
        ({"backoff_base_ms": 90, "backoff": "fixed"}, None, [90, 90]),
        ({"min_backoff": 10_000}, dramatiq.Retry("later", delay=80), [80, 80]),
        ({"min_backoff": 90}, dramatiq.Retry("later"), [90, 90]),
        ({}, type("Busy", (Exception,), {"retry_after": 0.08})(), [80, 80]),
    ],
    ids=["dramatiq's", "ours", "fixed", "Retry(delay)", "Retry", "retry_after"],
)  # fmt: skip
def test_how_long_a_failing_job_waits(app: App, options: Any, error: Any, waits: list[int]) -> None:
    fails = failing(app, error, **options)
    app.start()
    attempts = app.ended(fails.send()).attempts
    gaps = [after.started_ms - before.ended_ms for before, after in itertools.pairwise(attempts)]
    assert len(gaps) == len(waits)
    # A job that ran for a part of a millisecond is said to have started up to one later, or ended up to one earlier.
    assert all(gap >= wait - 2 for gap, wait in zip(gaps, waits, strict=True)), (gaps, waits)
    assert all(gap < wait + 1_500 for gap, wait in zip(gaps, waits, strict=True)), (gaps, waits)


def test_a_job_knows_its_attempt_and_whether_it_is_the_last(app: App) -> None:
    @app.actor
    def fails() -> None:
        job = app.current()
        app.say((job.attempt, job.max_attempts, job.is_last_attempt))
        raise ValueError("no")

    app.start()
    app.ended(fails.send())
    assert app.said == [(1, 3, False), (2, 3, False), (3, 3, True)]


def test_options_that_an_attempt_changed_are_there_in_the_next(app: App) -> None:
    @app.actor
    def fails() -> None:
        options = app.current().options
        app.say(dict(options))
        options["seen"] = options.get("seen", 0) + 1
        raise ValueError("no")

    app.start()
    app.ended(fails.send_with_options(colour="blue"))
    assert [said.get("seen") for said in app.said] == [None, 1, 2]
    assert {said["colour"] for said in app.said} == {"blue"}
    assert [said.get("retries") for said in app.said] == [None, 1, 2]


def test_a_concurrent_rate_limit_costs_no_attempt(app: App, gate: Gate, valkey_server: Server) -> None:
    client = redis.Redis.from_url(valkey_server.url)
    mutex = ConcurrentRateLimiter(RedisBackend(client=client), f"{app.settings.prefix}:mutex", limit=1)

    @app.actor(max_retries=0)
    def alone(name: str) -> None:
        job = app.current()
        app.say((name, "tries", job.attempt))
        with mutex.acquire():
            app.say((name, "in"))
            if name == "first":
                gate.wait()

    app.start()
    first = alone.send("first")
    gate.reached()
    second = alone.send("second")
    wait_until(lambda: app.said.count(("second", "tries", 1)) >= 3, 10, lambda: f"deferred again: {app.said}")
    gate.open()
    assert app.ended(first).state == "completed"
    job = app.ended(second)
    assert (job.state, job.attempts_made) == ("completed", 1)
    assert {a.outcome for a in job.attempts} == {"deferred"}
    assert job.attempts[0].error_type == "RateLimitExceeded"
    client.close()


def test_a_bucket_rate_limit_costs_no_attempt(app: App, valkey_server: Server) -> None:
    client = redis.Redis.from_url(valkey_server.url)
    bucket = BucketRateLimiter(RedisBackend(client=client), f"{app.settings.prefix}:bucket", limit=2, bucket=300)

    @app.actor(max_retries=0)
    def limited(name: int) -> None:
        with bucket.acquire():
            app.say(name)

    messages = [limited.send(i) for i in range(5)]
    app.start()
    jobs = [app.ended(message) for message in messages]
    assert [(job.state, job.attempts_made) for job in jobs] == [("completed", 1)] * 5
    assert sorted(app.said) == list(range(5))
    assert any(job.attempts for job in jobs), "nobody was held off: the test shows nothing"
    client.close()


class TestDramatiqsOwnRetries:
    """The retry that it enqueues before the ack is committed with the finish."""

    @pytest.fixture
    def own(self, make_app: AppMaker, make_settings: Any) -> App:
        results = Results(backend=CallboardResults(open_store(make_settings())), store_results=True)
        retries = dramatiq.middleware.Retries(max_retries=2, min_backoff=10, max_backoff=20)
        return make_app(middleware=[CurrentMessage(), results, retries])

    def test_a_failing_job_is_retried_and_fails(self, own: App) -> None:
        @own.actor
        def fails() -> None:
            own.say(own.current().attempt)
            raise ValueError("no")

        own.start()
        message = fails.send()
        job = own.ended(message)
        assert (job.state, job.attempts_made, job.reason) == ("failed", 3, "no")
        assert own.said == [1, 2, 3]
        assert [(a.outcome, a.error_type) for a in job.attempts] == [
            ("retried", "ValueError"), ("retried", "ValueError"), ("failed", "ValueError"),
        ]  # fmt: skip
        with pytest.raises(dramatiq.results.ResultFailure, match="ValueError: no"):
            message.get_result(block=True)

    def test_there_is_one_job_throughout(self, own: App) -> None:
        @own.actor
        def flaky() -> int:
            attempt: int = own.current().attempt
            if attempt < 3:
                raise ValueError("again")
            return attempt

        own.start()
        message = flaky.send()
        assert message.get_result(block=True) == 3
        own.drained()
        totals = own.stats("one").totals
        assert (totals["added"], totals["retried"], totals["completed"]) == (1, 2, 1)
