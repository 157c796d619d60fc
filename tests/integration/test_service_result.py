"""``QueueService.get_result``: the value, or why there is none."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from callboard import QueueService
from callboard.errors import InvalidOption, JobFailed, JobNotFound, ResultMissing
from tests.integration.conftest import AppMaker
from tests.support.app import App, Gate


@pytest.fixture
def service(app: App) -> QueueService:
    return QueueService(app.settings, store=app.broker.store)


def test_the_value_of_a_completed_job(app: App, service: QueueService) -> None:
    @app.actor
    def returns(value: Any) -> Any:
        return value

    app.start()
    for value in ({"n": [1, 2.5, "Ü"]}, "", 0, False, None):
        message = returns.send(value)
        got = service.get_result("one", message.message_id, timeout=10)
        assert (got, type(got)) == (value, type(value))


def test_a_job_that_has_not_ended_says_its_state_and_is_waited_for(app: App, service: QueueService, gate: Gate) -> None:
    @app.actor
    def slow() -> int:
        gate.wait()
        return 1

    message = slow.send()
    with pytest.raises(ResultMissing, match="has not ended: it is waiting") as missing:
        service.get_result("one", message.message_id)
    assert missing.value.state == "waiting"
    app.start()
    gate.reached()
    began = time.monotonic()
    with pytest.raises(ResultMissing, match="has not ended after 0.2 s: it is active"):
        service.get_result("one", message.message_id, timeout=0.2)
    assert 0.2 <= time.monotonic() - began < 2
    opens = threading.Timer(0.1, gate.open)
    opens.start()
    assert service.get_result("one", message.message_id, timeout=10) == 1
    opens.join()


def test_waiting_asks_redis_ever_more_seldom(app: App, service: QueueService, monkeypatch: pytest.MonkeyPatch) -> None:
    @app.actor
    def never() -> None:
        """No worker is started."""

    message = never.send()
    call, asked = app.broker.store.call, []

    def counted(*args: Any) -> Any:
        asked.append(args)
        return call(*args)

    monkeypatch.setattr(app.broker.store, "call", counted)
    with pytest.raises(ResultMissing):
        service.get_result("one", message.message_id, timeout=1)
    assert 3 <= len(asked) <= 12, "a second is about ten looks"


def test_a_failed_job_says_why(app: App, service: QueueService) -> None:
    @app.actor(max_retries=0)
    def fails() -> None:
        raise ValueError("not today")

    app.start()
    message = fails.send()
    with pytest.raises(JobFailed, match="failed: ValueError: not today") as failed:
        service.get_result("one", message.message_id, timeout=10)
    assert (failed.value.state, failed.value.error_type) == ("failed", "ValueError")
    assert failed.value.reason == "ValueError: not today"


def test_a_cancelled_job_says_so(app: App, service: QueueService) -> None:
    @app.actor
    def never() -> None:
        """No worker is started."""

    message = never.send()
    service.cancel_job("one", message.message_id, "not wanted")
    with pytest.raises(JobFailed, match="was cancelled: not wanted") as failed:
        service.get_result("one", message.message_id)
    assert (failed.value.state, failed.value.error_type) == ("cancelled", "JobCancelled")


def test_what_is_not_there_is_not_waited_for(service: QueueService) -> None:
    with pytest.raises(JobNotFound, match="no job 'nobody' in queue 'one'"):
        service.get_result("one", "nobody", timeout=60)


@pytest.mark.parametrize("timeout", [-1, float("nan"), "1"])
def test_a_timeout_is_a_number_of_seconds(service: QueueService, timeout: Any) -> None:
    with pytest.raises(InvalidOption, match="is not a number of seconds"):
        service.get_result("one", "a", timeout=timeout)


def test_a_result_that_had_its_time_is_missing_and_not_none(app: App, service: QueueService) -> None:
    @app.actor
    def one() -> int:
        return 1

    app.start()
    message = one.send_with_options(result_ttl=1)
    app.ended(message)
    threading.Event().wait(0.005)  # longer than its millisecond, which is the point
    with pytest.raises(ResultMissing, match="its result_ttl, which has passed") as missing:
        service.get_result("one", message.message_id, timeout=60)
    assert missing.value.state == "completed"


def test_a_failure_is_read_after_its_job_is_gone(make_app: AppMaker) -> None:
    app = make_app(queues={"one": {"keep_failed": 0, "max_attempts": 1}})

    @app.actor
    def fails() -> None:
        raise ValueError("not today")

    app.start()
    message = fails.send_with_options(result_ttl=60_000)
    app.drained("one")
    with pytest.raises(JobFailed, match="failed: ValueError: not today") as failed:
        QueueService(app.settings, store=app.broker.store).get_result("one", message.message_id)
    assert failed.value.error_type == "ValueError"


@pytest.mark.parametrize("options", [{}, {"result_ttl": 60_000}], ids=["with its job", "a time of its own"])
def test_a_job_under_the_id_of_one_that_was_removed_has_no_old_result(
    app: App, service: QueueService, options: dict[str, int]
) -> None:
    @app.actor
    def returns(value: int) -> int:
        return value

    app.start()
    first = returns.send_with_options(args=(1,), **options)
    assert service.get_result("one", first.message_id, timeout=10) == 1
    app.stop_worker()
    service.remove_job("one", first.message_id)
    with pytest.raises(JobNotFound):
        service.get_result("one", first.message_id)
    app.broker.enqueue(returns.message(2).copy(message_id=first.message_id))
    with pytest.raises(ResultMissing, match="it is waiting"):
        service.get_result("one", first.message_id)
