"""``inline_broker()`` moves an application's actors and puts everything back; what middleware does it with."""

from __future__ import annotations

import threading
from typing import Any

import dramatiq
import dramatiq.broker
import pytest
from dramatiq import Middleware, group, pipeline
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.brokers.stub import StubBroker
from dramatiq.results import ResultFailure, ResultMissing, Results, ResultTimeout
from pydantic import BaseModel

from callboard import CallboardBroker, PermanentError, QueueService, Settings, current_job
from callboard.errors import NoCurrentJob, PayloadInvalid, UnknownQueue
from callboard.testing import inline_broker
from callboard.testing.stand_ins import InlineResults
from middleware.stack import default_stack

QUEUES: dict[str, dict[str, Any]] = {"one": {"backoff_base_ms": 10}, "two": {}, "three": {"max_length": 1}}
SETTINGS = Settings(queues=QUEUES, only_queues=True)


class Order(BaseModel):
    n: int


@pytest.fixture
def source() -> CallboardBroker:
    """An application's broker, as a module made it at import. It is not Dramatiq's global one."""
    return CallboardBroker(SETTINGS, middleware=default_stack(SETTINGS))


def test_actors_move_with_all_they_declare_and_come_back(source: CallboardBroker) -> None:
    said: list[Any] = []

    @dramatiq.actor(broker=source, queue_name="one", payload=Order, payload_version=2)
    def work(order: Order) -> None:
        said.append((order, current_job().attempt))

    fn, before, loop = work.fn, dramatiq.broker.global_broker, get_event_loop_thread()
    with inline_broker(source) as broker:
        assert dramatiq.get_broker() is broker
        with pytest.raises(PayloadInvalid, match="n: Input should be a valid integer"):
            work.send(n="many")
        work.send(n=1)
        broker.run_all()
        assert said == [(Order(n=1), 1)]
    assert (work.broker, work.fn, source.actors) == (source, fn, {"work": work})
    assert (dramatiq.broker.global_broker, get_event_loop_thread()) == (before, loop)
    with pytest.raises(NoCurrentJob):
        work.fn(n=1)


def test_everything_comes_back_when_the_test_fails(source: CallboardBroker) -> None:
    work = dramatiq.actor(_nothing, broker=source, queue_name="one", actor_name="work")
    before = dramatiq.broker.global_broker
    with pytest.raises(ZeroDivisionError), inline_broker(source):
        _ = 1 / 0
    assert (work.broker, dramatiq.broker.global_broker) == (source, before)


def test_everything_comes_back_when_an_actor_cannot_move() -> None:
    source = StubBroker()
    first = dramatiq.actor(_nothing, broker=source, queue_name="one", actor_name="first")
    second = dramatiq.actor(_nothing, broker=source, queue_name="elsewhere", actor_name="second")
    with pytest.raises(UnknownQueue, match="elsewhere"), inline_broker(source, settings=SETTINGS):
        pass
    assert (first.broker, second.broker) == (source, source)


def test_it_can_be_done_again_and_again_and_inside_of_itself(source: CallboardBroker) -> None:
    said: list[Any] = []

    @dramatiq.actor(broker=source, queue_name="one", payload=Order)
    def work(order: Order) -> None:
        said.append(order.n)

    for n in (1, 2):
        with inline_broker(source) as broker:
            broker.assert_nothing_added()
            work.send(n=n)
            broker.run_all()
    with inline_broker(source) as outer:
        with inline_broker() as inner:
            work.send(n=3)
            inner.run_all()
        work.send(n=4)
        outer.run_all()
    assert said == [1, 2, 3, 4]


def test_without_a_source_the_global_broker_is_taken(source: CallboardBroker) -> None:
    before = dramatiq.broker.global_broker
    dramatiq.set_broker(source)
    try:
        work = dramatiq.actor(_nothing, queue_name="one", actor_name="work")
        with inline_broker() as broker:
            assert work.broker is broker
            assert broker.catalogue.keys() == QUEUES.keys()
    finally:
        dramatiq.broker.global_broker = before


def test_actors_of_other_brokers_move_too() -> None:
    source = StubBroker()
    said: list[Any] = []

    @dramatiq.actor(broker=source, queue_name="one", max_retries=1)
    def work() -> None:
        said.append(current_job().attempt)
        raise ValueError("again")

    with inline_broker(source, settings=SETTINGS) as broker:
        sent = work.send()
        broker.run_until_idle()
        assert said == [1, 2]
        assert broker.job(sent).state == "failed"
    assert work.broker is source


def test_actors_may_be_declared_inside(source: CallboardBroker) -> None:
    with inline_broker(source) as broker:
        work = dramatiq.actor(_nothing, queue_name="one", actor_name="work", max_attempts=2)
        sent = work.send()
        broker.run_all()
        assert broker.job(sent).state == "completed"
    assert source.actors == {}


def test_middleware_comes_along_but_for_what_starts_with_a_worker(source: CallboardBroker) -> None:
    class Own(Middleware):
        pass

    class WithThreads(Middleware):
        actor_options = frozenset({"of_threads"})  # type: ignore[assignment]

        def after_worker_boot(self, broker: Any, worker: Any) -> None: ...

    class NeedsRedis(Middleware):
        runs_inline = False

    class StartsAndYetTakesPart(WithThreads):
        runs_inline = True

    own = Own()
    for each in (own, WithThreads(), NeedsRedis(), StartsAndYetTakesPart()):
        source.add_middleware(each)
    threads = threading.active_count()
    with inline_broker(source) as broker:
        kept = [type(each) for each in broker.middleware]
        assert own in broker.middleware
        assert StartsAndYetTakesPart in kept
        assert WithThreads not in kept
        assert NeedsRedis not in kept
        dramatiq.actor(_nothing, queue_name="one", actor_name="work", of_threads=1).send()
        broker.run_all()
        assert threading.active_count() == threads
    order = [type(each) for each in source.middleware]
    assert kept[1:] == [each for each in order if each in kept[1:]], "the order has changed"


def test_middleware_may_be_given(source: CallboardBroker) -> None:
    @dramatiq.actor(broker=source, queue_name="one")
    def fails() -> None:
        raise ValueError("no")

    with inline_broker(source, middleware=[]) as broker:
        sent = fails.send()
        broker.run_all()
        assert broker.job(sent).outcomes == ["failed"], "somebody retried it"


def test_results(source: CallboardBroker) -> None:
    @dramatiq.actor(broker=source, queue_name="one", store_results=True)
    def work(n: int) -> int:
        if n < 0:
            raise PermanentError("negative")
        return n + 1

    with inline_broker(source) as broker:
        good, bad = work.send(1), work.send(-1)
        with pytest.raises(ResultMissing):
            good.get_result()
        assert good.get_result(block=True) == 2
        with pytest.raises(ResultFailure, match="negative"):
            bad.get_result()
        assert broker.job(good).result == 2
        assert broker.service.get_result("one", good.message_id) == 2
        later = work.send_with_options(args=(5,), delay=1_000)
        with pytest.raises(ResultTimeout):
            later.get_result(block=True)
        results = next(m for m in source.middleware if isinstance(m, Results))
        assert not isinstance(results.backend, InlineResults), "the application's own backend was changed"


def test_a_result_has_its_time(source: CallboardBroker) -> None:
    @dramatiq.actor(broker=source, queue_name="one", store_results=True, result_ttl=60_000)
    def work() -> int:
        return 1

    with inline_broker(source) as broker:
        sent = work.send()
        assert sent.get_result(block=True) == 1
        broker.clock.advance(60)
        with pytest.raises(ResultMissing):
            sent.get_result()
        assert broker.job(sent).result is None


def test_pipelines_and_groups(source: CallboardBroker) -> None:
    @dramatiq.actor(broker=source, queue_name="one", store_results=True)
    def add(a: int, b: int) -> int:
        return a + b

    with inline_broker(source) as broker:
        pipe = pipeline([add.message(1, 2), add.message_with_options(args=(10,), pipe_ignore=False)])
        pipe.run()
        assert pipe.get_result(block=True) == 13
        assert [job.args for job in broker.jobs()] == [(1, 2), (10, 3)]
        grouped = group([add.message(n, n) for n in range(3)])
        grouped.run()
        assert list(grouped.get_results(block=True)) == [0, 2, 4]


def test_what_follows_a_job_is_added_only_when_it_succeeds(source: CallboardBroker) -> None:
    """The outbox: what middleware enqueues after the actor belongs to the attempt's finish."""

    @dramatiq.actor(broker=source, queue_name="two")
    def told(*args: Any) -> None:
        pass

    @dramatiq.actor(broker=source, queue_name="one", store_results=True, max_attempts=2)
    def work(value: Any) -> Any:
        if value == "fail" and current_job().attempt == 1:
            raise ValueError("once")
        return object() if value == "unstorable" else value

    with inline_broker(source) as broker:
        work.send_with_options(args=("fail",), on_success=told)
        broker.run_one()
        broker.assert_added(told, times=0)
        broker.run_until_idle()
        [after] = broker.assert_added(told, times=1)
        assert after.args[1] == "fail"
        sent = work.send_with_options(args=("unstorable",), on_success=told)
        broker.run_until_idle()
        assert (broker.job(sent).state, broker.job(sent).errors[-1].split(":")[0]) == ("failed", "ResultInvalid")
        broker.assert_added(told, times=1)


def test_what_follows_is_added_only_if_the_attempt_still_holds_its_job(source: CallboardBroker) -> None:
    told = dramatiq.actor(_nothing, broker=source, queue_name="two", actor_name="told")

    with inline_broker(source) as broker:

        @dramatiq.actor(queue_name="one", on_success="told")
        def work() -> None:
            shelf = broker._memory.shelves["one"]
            if current_job().checkpoint("seen") is None:
                current_job().checkpoint("seen", True)
                shelf.stall(next(iter(shelf.jobs.values())))

        sent = work.send()
        broker.run_one()
        broker.assert_added(told, times=0)
        assert broker.job(sent).state == "waiting"
        assert broker.service.get_queue_stats("one").totals["stale_finishes"] == 1
        broker.run_one()
        broker.assert_added(told, times=1)


def test_a_full_queue_refuses_what_follows_and_the_job_has_completed(
    source: CallboardBroker, caplog: pytest.LogCaptureFixture
) -> None:
    told = dramatiq.actor(_nothing, broker=source, queue_name="three", actor_name="told")
    work = dramatiq.actor(_nothing, broker=source, queue_name="one", actor_name="work", on_success="told")
    with inline_broker(source) as broker:
        first, second = work.send(), work.send()
        broker.run_one()
        broker.run_one()
        assert [broker.job(sent).state for sent in (first, second)] == ["completed"] * 2
        broker.assert_added(told, times=1)
        assert "queue 'three' is full" in caplog.text


def test_failures_are_told_of_when_there_are_no_attempts_left(source: CallboardBroker) -> None:
    told = dramatiq.actor(_nothing, broker=source, queue_name="two", actor_name="told")

    @dramatiq.actor(broker=source, queue_name="one", max_attempts=2, on_retry_exhausted="told")
    def fails() -> None:
        raise ValueError("no")

    with inline_broker(source) as broker:
        fails.send()
        broker.run_until_idle()
        [after] = broker.assert_added(told, times=1)
        assert after.args[1] == {"retries": 1, "max_retries": 1}


def test_an_actor_adds_by_name_on_the_broker_that_runs_it(source: CallboardBroker) -> None:
    told = dramatiq.actor(_nothing, broker=source, queue_name="two", actor_name="told")

    @dramatiq.actor(broker=source, queue_name="one", max_attempts=2)
    def work() -> None:
        broker = dramatiq.get_broker()
        assert isinstance(broker, CallboardBroker)
        QueueService(broker.settings, store=broker.store).add_job("two", "told", id=f"{current_job().id}-told")
        if current_job().attempt == 1:
            raise ValueError("after the add")

    with inline_broker(source) as broker:
        sent = work.send()
        broker.run_until_idle()
        assert broker.job(sent).outcomes == ["retried"]
        [job] = broker.assert_added(told, times=1)
        assert (job.id, job.state) == (f"{sent.message_id}-told", "completed")


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass
