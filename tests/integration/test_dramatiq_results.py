"""Dramatiq's Results on Callboard: stored with the finish, read by anyone, gone after their time."""

from __future__ import annotations

import logging
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import SkipMessage
from dramatiq.results import ResultFailure, ResultMissing, ResultTimeout

from callboard import PermanentError, QueueService
from callboard.ids import pack_id
from callboard.results import CallboardResults
from tests.integration.conftest import AppMaker
from tests.support.app import App, Gate
from tests.support.snapshot import take_snapshot
from tests.support.wait import wait_until


def test_a_result_is_read_by_its_message(app: App) -> None:
    @app.actor(store_results=True)
    def add(a: int, b: int) -> Any:
        return {"sum": a + b, "text": "Ü"}

    message = add.send(1, 2)
    with pytest.raises(ResultMissing):
        message.get_result()
    app.start()
    assert message.get_result(block=True) == {"sum": 3, "text": "Ü"}
    assert message.get_result(backend=app.broker.get_results_backend()) == {"sum": 3, "text": "Ü"}


def test_none_is_a_result(app: App) -> None:
    @app.actor(store_results=True)
    def nothing() -> None:
        return None

    app.start()
    assert nothing.send().get_result(block=True) is None


def test_waiting_for_a_result_ends_in_time(app: App, gate: Gate) -> None:
    @app.actor(store_results=True)
    def slow() -> int:
        gate.wait()
        return 1

    app.start()
    message = slow.send()
    gate.reached()
    with pytest.raises(ResultTimeout):
        message.get_result(block=True, timeout=150)
    gate.open()
    assert message.get_result(block=True) == 1


def test_results_are_kept_unless_the_actor_or_the_message_says_no(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    @app.actor
    def one() -> int:
        return 1

    @app.actor(store_results=False)
    def other() -> int:
        return 1

    app.start()
    kept, also = one.send(), other.send_with_options(store_results=True)
    dropped, too = one.send_with_options(store_results=False), other.send()
    assert [kept.get_result(block=True), also.get_result(block=True)] == [1, 1]
    assert [dropped.get_result(block=True), too.get_result(block=True)] == [None, None]
    assert results_of(app).keys() == {pack_id(kept.message_id), pack_id(also.message_id)}
    warned = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert not warned, "to want no result is nothing to warn of"


def results_of(app: App) -> dict[str, bytes]:
    """The stored results of queue ``one``."""
    return take_snapshot(app.broker.store, "one").hash("results")


def test_none_and_a_failure_take_no_room_unless_they_have_a_time_of_their_own(app: App) -> None:
    @app.actor(max_retries=0)
    def runs(fails: bool) -> None:
        if fails:
            raise ValueError("no")

    app.start()
    free = [runs.send(False), runs.send(True)]
    timed = [runs.send_with_options(args=(fails,), result_ttl=60_000) for fails in (False, True)]
    for message in (free[0], timed[0]):
        assert message.get_result(block=True) is None
    for message in (free[1], timed[1]):
        with pytest.raises(ResultFailure, match="ValueError: no"):
            message.get_result(block=True)
    assert results_of(app).keys() == {pack_id(message.message_id) for message in timed}


def test_a_result_outlives_the_job_only_when_it_has_a_time_of_its_own(make_app: AppMaker) -> None:
    app = make_app(queues={"one": {"keep_completed": 0, "keep_failed": 0}})

    @app.actor(max_retries=0)
    def one(fails: bool = False) -> int:
        if fails:
            raise ValueError("no")
        return 1

    app.start()
    timed, failed = one.send_with_options(result_ttl=60_000), one.send_with_options(args=(True,), result_ttl=60_000)
    gone = one.send()
    assert timed.get_result(block=True) == 1
    with pytest.raises(ResultFailure, match="ValueError: no"):
        failed.get_result(block=True)
    app.drained("one")
    with pytest.raises(ResultMissing):
        gone.get_result()
    snapshot = take_snapshot(app.broker.store, "one")
    snapshot.check()
    assert not snapshot.records


def test_a_retried_job_has_no_result_until_it_has_ended_anew(app: App, gate: Gate) -> None:
    @app.actor
    def counts() -> int:
        app.say("ran")
        if len(app.said) > 1:
            gate.wait()
        return len(app.said)

    app.start()
    message = counts.send()
    assert message.get_result(block=True) == 1
    service = QueueService(app.settings, store=app.broker.store)
    service.retry_job("one", message.message_id)
    gate.reached()
    with pytest.raises(ResultMissing):
        message.get_result()
    gate.open()
    assert message.get_result(block=True) == 2


def test_a_cancelled_job_fails_whoever_waits_for_its_result(app: App) -> None:
    @app.actor
    def never() -> None:
        app.say("ran")

    message = never.send()
    QueueService(app.settings, store=app.broker.store).cancel_job("one", message.message_id, "not wanted")
    with pytest.raises(ResultFailure, match="JobCancelled: not wanted"):
        message.get_result(block=True)


@pytest.mark.parametrize("options", [{}, {"throws": ValueError}], ids=["retries exhausted", "throws"])
def test_the_failure_of_a_job_is_its_result(app: App, options: Any) -> None:
    @app.actor(store_results=True, max_retries=1, **options)
    def fails() -> None:
        raise ValueError("not today")

    app.start()
    message = fails.send()
    with pytest.raises(ResultFailure, match="actor raised ValueError: not today") as caught:
        message.get_result(block=True)
    assert (caught.value.orig_exc_type, caught.value.orig_exc_msg) == ("ValueError", "not today")
    assert app.ended(message).attempts_made == (1 if options else 2)


def test_a_permanent_error_is_its_result(app: App) -> None:
    @app.actor(store_results=True)
    def fails() -> None:
        raise PermanentError("never")

    app.start()
    message = fails.send()
    with pytest.raises(ResultFailure, match="PermanentError: never"):
        message.get_result(block=True)
    assert app.ended(message).attempts_made == 1


def test_an_attempt_that_will_be_retried_stores_nothing(app: App) -> None:
    @app.actor(store_results=True, min_backoff=10_000)
    def fails() -> None:
        raise ValueError("once")

    app.start()
    message = fails.send()
    wait_until(lambda: app.job(message).state == "delayed", 10, "the job to wait for its retry")
    with pytest.raises(ResultMissing):
        message.get_result()


def test_a_result_is_gone_after_its_time_and_not_before(app: App) -> None:
    @app.actor(store_results=True)
    def one() -> int:
        return 1

    app.start()
    short, long = one.send_with_options(result_ttl=1), one.send_with_options(result_ttl=60_000)
    assert long.get_result(block=True) == 1
    app.ended(short)

    def is_gone() -> bool:
        try:
            short.get_result()
        except ResultMissing:
            return True
        return False

    wait_until(is_gone, 10, "the short-lived result to be gone")
    assert long.get_result() == 1
    assert app.job(short).state == "completed", "the job itself stays"


class Skips(dramatiq.Middleware):
    """Skips every job."""

    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.broker.MessageProxy) -> None:
        """Always."""
        raise SkipMessage("not needed")


def test_a_skipped_job_has_none_as_its_result(app: App) -> None:
    app.broker.add_middleware(Skips())

    @app.actor(store_results=True)
    def one() -> int:
        app.say("ran")
        return 1

    app.start()
    message = one.send()
    assert message.get_result(block=True) is None
    assert app.ended(message).state == "completed"
    assert app.said == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [("x" * 2_000, "2,002 bytes; 1,000 are allowed: write it to the artifact store"), (object(), "cannot be stored")],
    ids=["too large", "not JSON"],
)
def test_a_value_that_cannot_be_stored_fails_the_job_at_once_and_says_so(
    make_app: AppMaker, value: Any, reason: str
) -> None:
    app = make_app(result_max_bytes=1_000)

    @app.actor(queue_name="two")
    def after(*args: Any) -> None:
        app.say("success was told")

    @app.actor(store_results=True, on_success="after")
    def returns() -> Any:
        app.say("ran")
        return value

    app.start()
    message = returns.send()
    job = app.ended(message)
    assert (job.state, job.attempts_made) == ("failed", 1)
    assert reason in job.reason
    with pytest.raises(ResultFailure, match=reason):
        message.get_result(block=True)
    app.drained()
    assert app.said == ["ran"], "a job that failed has no success to tell of"


def test_a_failure_whose_message_is_too_large_keeps_its_type(make_app: AppMaker) -> None:
    app = make_app(result_max_bytes=1_000)

    @app.actor(store_results=True, max_retries=0)
    def fails() -> None:
        raise ValueError("x" * 5_000)

    app.start()
    message = fails.send()
    with pytest.raises(ResultFailure) as caught:
        message.get_result(block=True)
    assert caught.value.orig_exc_type == "ValueError"
    job = app.ended(message)
    assert job.reason.startswith("ValueError: xxx")
    assert job.attempts[-1].error_type == "ValueError"


def test_dramatiqs_own_results_middleware_keeps_its_rules(make_app: AppMaker) -> None:
    """Off by default, ten minutes, as an application has it that brings its own stack."""
    app = make_app(middleware=[])
    app.broker.add_middleware(dramatiq.results.Results(backend=CallboardResults(app.broker.store)))

    @app.actor(store_results=True)
    def one() -> int:
        return 1

    app.start()
    message = one.send()
    assert message.get_result(block=True) == 1
    (expires,) = take_snapshot(app.broker.store, "one").zset("expiry").values()
    assert abs(expires - app.ended(message).ended_ms - 600_000) < 5
