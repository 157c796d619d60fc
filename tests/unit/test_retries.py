"""Retries: what becomes of a failed attempt, and when it is tried again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from dramatiq.errors import RateLimitExceeded, Retry
from dramatiq.middleware import Shutdown

from callboard.catalogue import QueueSpec
from callboard.door import MAX_DELAY_MS
from callboard.errors import LeaseLost, PermanentError
from callboard.worker.job import Job
from middleware.retries import Retries
from tests.support.jobs import make_job

#: Exact delays: no jitter.
SPEC = QueueSpec(name="q", max_attempts=3, backoff_base_ms=1_000, backoff_cap_ms=60_000, backoff_jitter=0)

Attempt = Callable[..., Job]


class OutOfReach(Exception):
    """An error that says when to come again (seconds)."""

    def __init__(self, retry_after: Any) -> None:
        super().__init__("come again")
        self.retry_after = retry_after


@pytest.fixture
def attempt() -> Attempt:
    """Fails one attempt of a job: ``attempt(error, actor={…}, job={…}, attempts=made before)``."""

    def fail(
        error: BaseException | None, *, spec: QueueSpec = SPEC, actor: dict[str, Any] | None = None,
        job: dict[str, Any] | None = None, attempts: int = 0,
    ) -> Job:  # fmt: skip
        broker = StubBroker(middleware=[Retries()])
        dramatiq.actor(actor_name="work", queue_name="q", broker=broker, **(actor or {}))(lambda: None)
        made = make_job(spec, options=job, attempts=attempts)
        retries = broker.middleware[0]
        retries.before_process_message(broker, made)
        retries.after_process_message(broker, made, exception=error)
        return made

    return fail


def test_a_success_is_left_alone(attempt: Attempt) -> None:
    job = attempt(None)
    assert (job.outcome, job.error, job.failed) == (None, None, False)


def test_a_failed_attempt_is_retried_and_keeps_its_error(attempt: Attempt) -> None:
    try:
        raise ValueError("no such user")
    except ValueError as error:
        job = attempt(error)
    assert (job.outcome, job.delay_ms, job.failed) == ("r", 1_000, False)
    assert job.error is not None
    assert job.error[:2] == ("ValueError", "no such user")
    assert "Traceback" in job.error[2]
    assert "test_retries" in job.error[2]
    assert job.options["retries"] == 1


def test_the_last_attempt_fails_with_its_reason(attempt: Attempt) -> None:
    job = attempt(ValueError("no such user"), attempts=2)
    assert job.is_last_attempt
    assert (job.outcome, job.reason, job.failed) == ("f", "ValueError: no such user", True)


def test_an_error_without_words_is_named(attempt: Attempt) -> None:
    assert attempt(ValueError(), attempts=2).reason == "ValueError"


@pytest.mark.parametrize(
    ("job", "actor", "expected"),
    [
        ({}, {}, 3),
        ({}, {"max_attempts": 5}, 5),
        ({}, {"max_retries": 5}, 6),
        ({}, {"max_retries": 0}, 1),
        ({"max_attempts": 2}, {"max_attempts": 5}, 2),
        ({"max_retries": 7}, {"max_attempts": 5}, 8),
        ({"max_retries": 0}, {}, 1),
        ({"max_attempts": 4, "max_retries": 9}, {}, 4),
        ({"tags": ["x"]}, {}, 3),
    ],
)
def test_how_often_is_the_jobs_word_or_the_actors_or_the_queues(
    attempt: Attempt, job: dict[str, Any], actor: dict[str, Any], expected: int
) -> None:
    assert attempt(None, job=job, actor=actor).max_attempts == expected
    assert attempt(ValueError(), job=job, actor=actor, attempts=expected - 1).outcome == "f"
    if expected > 1:
        assert attempt(ValueError(), job=job, actor=actor, attempts=expected - 2).outcome == "r"


def test_exponential_backoff_doubles_up_to_its_cap(attempt: Attempt) -> None:
    spec = SPEC.model_copy(update={"max_attempts": 100})
    delays = [attempt(ValueError(), spec=spec, attempts=n).delay_ms for n in range(8)]
    assert delays == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]
    assert attempt(ValueError(), spec=spec, attempts=98).delay_ms == 60_000


def test_fixed_backoff_stays(attempt: Attempt) -> None:
    spec = SPEC.model_copy(update={"max_attempts": 100, "backoff": "fixed"})
    assert [attempt(ValueError(), spec=spec, attempts=n).delay_ms for n in (0, 1, 5)] == [1_000] * 3


def test_jitter_adds_at_most_its_share(attempt: Attempt) -> None:
    spec = SPEC.model_copy(update={"backoff_jitter": 0.5})
    delays = {attempt(ValueError(), spec=spec).delay_ms for _ in range(100)}
    assert 1_000 <= min(delays) <= max(delays) <= 1_500
    assert len(delays) > 10


@pytest.mark.parametrize(
    ("job", "actor", "expected"),
    [
        ({}, {"backoff_base_ms": 50}, 100),
        ({}, {"min_backoff": 50}, 100),
        ({}, {"min_backoff": 50, "backoff": "fixed"}, 50),
        ({}, {"backoff_base_ms": 0}, 0),
        ({"backoff_base_ms": 10}, {"backoff_base_ms": 50}, 20),
        ({"min_backoff": 10}, {"backoff_base_ms": 50}, 20),
        ({"backoff": "fixed"}, {"backoff": "exponential"}, 1_000),
        ({"max_backoff": 5}, {"backoff_cap_ms": 50}, 5),
        ({}, {"max_backoff": 70}, 70),
    ],
)
def test_backoff_is_the_jobs_word_or_the_actors_or_the_queues(
    attempt: Attempt, job: dict[str, Any], actor: dict[str, Any], expected: int
) -> None:
    assert attempt(ValueError(), job=job, actor=actor, attempts=1).delay_ms == expected


def test_a_permanent_error_fails_at_once(attempt: Attempt) -> None:
    assert attempt(PermanentError("account closed")).outcome == "f"


def test_errors_that_an_actor_throws_fail_at_once(attempt: Attempt) -> None:
    actor = {"throws": (KeyError, ValueError)}
    assert attempt(ValueError(), actor=actor).outcome == "f"
    assert attempt(TypeError(), actor=actor).outcome == "r"


@pytest.mark.parametrize(("delay", "expected"), [(1_500, 1_500), (0, 0), (None, 1_000)])
def test_retry_says_when(attempt: Attempt, delay: int | None, expected: int) -> None:
    job = attempt(Retry("later", delay=delay))
    assert (job.outcome, job.delay_ms) == ("r", expected)


def test_retry_does_not_go_beyond_the_last_attempt(attempt: Attempt) -> None:
    assert attempt(Retry("later", delay=5), attempts=2).outcome == "f"


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        (2, 2_000), (0.5, 500), (0, 0), (-1, 1_000), ("5", 1_000), (None, 1_000), (True, 1_000), (float("nan"), 1_000),
        (float("inf"), MAX_DELAY_MS), (10**30, MAX_DELAY_MS),
    ],
)  # fmt: skip
def test_an_error_says_when_in_seconds(attempt: Attempt, retry_after: Any, expected: int) -> None:
    job = attempt(OutOfReach(retry_after))
    assert (job.outcome, job.delay_ms) == ("r", expected)


def test_a_rate_limit_costs_no_attempt_even_on_the_last_one(attempt: Attempt) -> None:
    for attempts in (0, 2):
        job = attempt(RateLimitExceeded("busy"), attempts=attempts)
        assert (job.outcome, job.delay_ms, job.failed) == ("d", 1_000, False)
        assert "retries" not in job.options


def test_retry_when_decides_alone(attempt: Attempt) -> None:
    seen: list[tuple[int, str]] = []

    def decide(retries: int, error: BaseException) -> bool:
        seen.append((retries, str(error)))
        return retries < 5

    actor = {"retry_when": decide}
    assert attempt(ValueError("a"), actor=actor).outcome == "r"
    assert attempt(ValueError("b"), actor=actor, attempts=4).outcome == "r", "beyond max_attempts"
    assert attempt(ValueError("c"), actor=actor, attempts=5).outcome == "f"
    assert seen == [(0, "a"), (4, "b"), (5, "c")]


def test_a_retry_when_that_fails_leaves_it_to_max_attempts(attempt: Attempt) -> None:
    def broken(retries: int, error: BaseException) -> bool:
        raise RuntimeError

    actor = {"retry_when": broken}
    assert attempt(ValueError(), actor=actor).outcome == "r"
    assert attempt(ValueError(), actor=actor, attempts=2).outcome == "f"


@pytest.mark.parametrize("error", [Shutdown(), LeaseLost()])
def test_who_was_interrupted_goes_back_at_no_cost(attempt: Attempt, error: BaseException) -> None:
    job = attempt(error, attempts=2)
    assert (job.outcome, job.error, job.failed) == ("b", None, False)


def test_exhausted_retries_are_told_to_another_actor() -> None:
    broker = StubBroker(middleware=[Retries()])
    dramatiq.actor(actor_name="told", queue_name="q", broker=broker)(lambda message, counts: None)
    dramatiq.actor(actor_name="work", queue_name="q", broker=broker, on_retry_exhausted="told")(lambda: None)
    retries = broker.middleware[0]

    def fail(error: Exception, attempts: int) -> int:
        job = make_job(SPEC, attempts=attempts)
        retries.before_process_message(broker, job)
        retries.after_process_message(broker, job, exception=error)
        return int(broker.queues["q"].qsize())

    assert fail(ValueError(), 0) == 0, "there are attempts left"
    assert fail(PermanentError(), 2) == 0, "it failed for good, retries were not exhausted"
    assert fail(ValueError(), 2) == 1


def test_a_job_that_another_middleware_failed_says_why() -> None:
    job = make_job(SPEC)
    job.stuff_exception(ValueError("too old"))
    Retries().before_nack(StubBroker(middleware=[]), job)
    assert job.reason == "too old"
    assert job.error is not None
    assert job.error[0] == "ValueError"
