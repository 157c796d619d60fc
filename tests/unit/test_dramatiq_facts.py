"""Facts about Dramatiq that the engine stands on. Most are not documented: each test says what breaks when one changes.

Dramatiq is pinned to one minor version. Before the pin moves, these have to pass on the new one; where one fails, its
message names the place in Callboard to look at.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import dramatiq
import pytest
from dramatiq import Message, MessageProxy, Middleware, Worker
from dramatiq.middleware import SkipMessage
from dramatiq.results import ResultBackend, Results
from dramatiq.worker import ConsumerThread, WorkerThread, has_results_middleware

from tests.support.plain_dramatiq import HOOKS, PlainBroker, Recorder, Silent
from tests.support.wait import wait_until


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def broker(said: list[str]) -> PlainBroker:
    return PlainBroker(said, [Recorder("outer ", said), Recorder("inner ", said)])


@pytest.fixture
def worker(broker: PlainBroker) -> Worker:
    """A worker whose threads are made by the test."""
    return Worker(broker, worker_threads=1, worker_timeout=10)


@pytest.fixture
def thread(worker: Worker, broker: PlainBroker, said: list[str]) -> WorkerThread:
    """A worker thread that is not started, with a consumer of queue ``q``; the test calls its methods."""

    @dramatiq.actor(queue_name="q", broker=broker)
    def act(fail: bool = False) -> None:
        said.append("actor")
        if fail:
            raise ValueError("no")

    consumer = ConsumerThread(
        broker=broker, queue_name="q", prefetch=1, work_queue=worker.work_queue, worker_timeout=10
    )  # fmt: skip
    consumer.consumer = Silent(said)
    worker.consumers["q"] = consumer
    said.clear()
    return WorkerThread(
        broker=broker, consumers=worker.consumers, work_queue=worker.work_queue, worker_timeout=10
    )  # fmt: skip


def proxy(**kwargs: Any) -> MessageProxy:
    return MessageProxy(Message("q", "act", (), kwargs, {}))


def process(thread: WorkerThread, message: MessageProxy) -> None:
    """What a thread that runs on does."""
    thread.work_queue.unfinished_tasks += 1
    thread.process_message(message)


def test_the_version_is_the_one_that_was_verified() -> None:
    assert version("dramatiq").startswith("2.2."), (
        "the facts below were read in 2.2: read them again, then move the pin"
    )


def test_handle_message_puts_on_the_work_queue(thread: WorkerThread, worker: Worker) -> None:
    message = proxy()
    worker.consumers["q"].handle_message(message)
    item = worker.work_queue.get_nowait()
    assert item.message is message, (
        "ConsumerThread.handle_message no longer puts a message on Worker.work_queue: WorkerRuntime._start_job hands "
        "jobs over by it, so no job would start"
    )


def test_what_a_thread_that_runs_on_uses_is_there(thread: WorkerThread, worker: Worker) -> None:
    for name in ("work_queue", "running", "paused", "process_message"):
        assert hasattr(thread, name), f"WorkerThread.{name} is gone: WorkerRuntime.after_ack and end() use it"
    assert thread.work_queue is worker.work_queue
    assert hasattr(worker.work_queue, "all_tasks_done"), "the work queue is no queue.Queue: after_ack counts its tasks"
    thread.stop()
    assert thread.running is False, "WorkerThread.stop() no longer clears `running`: a thread would run on at shutdown"
    thread.pause()
    assert thread.paused is True, "WorkerThread.pause() no longer sets `paused`: a paused worker would run on"


def test_process_message_counts_its_task_down_once(thread: WorkerThread) -> None:
    process(thread, proxy())
    process(thread, proxy(fail=True))
    assert thread.work_queue.unfinished_tasks == 0, (
        "process_message no longer calls task_done once: WorkerRuntime.after_ack counts the task up by hand for it"
    )


def test_a_job_that_completes_is_acked_between_its_hooks(thread: WorkerThread, said: list[str]) -> None:
    process(thread, proxy())
    assert said == [
        "outer before_process_message",
        "inner before_process_message",
        "actor",
        "inner after_process_message",
        "outer after_process_message",
        "outer before_ack",
        "inner before_ack",
        "ack",
        "inner after_ack",
        "outer after_ack",
    ], (  # fmt: skip
        "the order of an attempt changed: the runtime is first among middleware, so that its before_process_message is "
        "the start gate and its after_ack, where a thread runs on, is the last hook of the attempt"
    )


def test_a_job_that_failed_is_nacked_between_its_hooks(thread: WorkerThread, said: list[str]) -> None:
    message = proxy()
    message.fail()
    process(thread, message)
    assert said[-5:] == ["outer before_nack", "inner before_nack", "nack", "inner after_nack", "outer after_nack"], (
        "a failed message no longer goes to Consumer.nack between its hooks: failures would not be committed, or a "
        "thread would not run on after them"
    )
    assert "actor" not in said, "a message that a hook failed runs its actor: AgeLimit would not hold"


def test_an_exception_is_passed_to_the_hook_by_keyword(thread: WorkerThread, broker: PlainBroker) -> None:
    seen: list[dict[str, Any]] = []
    broker.middleware[0].after_process_message = lambda *args, **kwargs: seen.append(kwargs)  # type: ignore[method-assign]
    process(thread, proxy(fail=True))
    assert isinstance(seen[0].get("exception"), ValueError), (
        "process_message no longer emits after_process_message with `exception=`: CallboardBroker.emit_after fails "
        "attempts that no middleware decided about by it"
    )


def test_the_exception_is_kept_until_the_message_has_ended(thread: WorkerThread, broker: PlainBroker) -> None:
    kept: list[Any] = []
    broker.middleware[0].before_ack = lambda broker, message: kept.append(message._exception)  # type: ignore[method-assign]
    message = proxy(fail=True)
    process(thread, message)
    assert isinstance(kept[0], ValueError), "stuff_exception comes later: Job.exception would be empty at the ack"
    assert message._exception is None, "clear_exception is not called: after_ack has to release it for itself anyway"


def test_skipping_emits_its_own_hook(thread: WorkerThread, broker: PlainBroker, said: list[str]) -> None:
    def skip(*args: Any) -> None:
        raise SkipMessage

    broker.middleware[0].before_process_message = skip  # type: ignore[method-assign]
    process(thread, proxy())
    assert said == [
        "inner after_skip_message", "outer after_skip_message", "outer before_ack", "inner before_ack", "ack",
        "inner after_ack", "outer after_ack",
    ], "SkipMessage is handled otherwise: the start gate skips jobs that were given back by it"  # fmt: skip


def test_errors_of_hooks_are_swallowed_but_for_middleware_errors(broker: PlainBroker) -> None:
    def stumble(*args: Any) -> None:
        raise ZeroDivisionError

    broker.middleware[0].before_ack = broker.middleware[0].after_ack = stumble  # type: ignore[method-assign]
    broker.emit_before("ack", proxy())
    broker.emit_after("ack", proxy())

    def skip(*args: Any) -> None:
        raise SkipMessage

    broker.middleware[0].before_ack = skip  # type: ignore[method-assign]
    with pytest.raises(SkipMessage):
        broker.emit_before("ack", proxy())


def test_the_hooks_have_the_names_that_are_looked_up() -> None:
    found = {
        name for name, _ in inspect.getmembers(Middleware, inspect.isfunction) if name.startswith(("before_", "after_"))
    }
    assert found == HOOKS, (
        "Middleware has other hooks than before: CallboardBroker.emit_before and emit_after find them by name, and "
        "compare with Middleware's own to call only what is overridden"
    )


@pytest.fixture
def started(worker: Worker, thread: WorkerThread) -> Iterator[Worker]:
    worker.consumers.clear()
    worker.start()
    yield worker
    worker.stop(timeout=5_000)


def test_consumers_are_keyed_by_queue(started: Worker) -> None:
    assert set(started.consumers) == {"q"}, (
        "Worker.consumers is no longer keyed by the queue's name: WorkerRuntime._start_job finds a ConsumerThread by it"
    )
    assert isinstance(started.consumers["q"], ConsumerThread)


def test_a_worker_tells_its_threads_and_its_queues(broker: PlainBroker) -> None:
    worker = Worker(broker, queues={"q"}, worker_threads=3)
    assert worker.worker_threads == 3, "Worker.worker_threads is gone: a process has as many slots as threads"
    assert worker.consumer_whitelist == {"q"}, "Worker.consumer_whitelist is gone: `--queues` would not be known"
    assert not Worker(broker).consumer_whitelist, "without `queues` the whitelist is no longer empty: all are meant"


def test_a_queue_outside_of_the_whitelist_gets_no_consumer(broker: PlainBroker, thread: WorkerThread) -> None:
    worker = Worker(broker, queues={"other"}, worker_threads=1, worker_timeout=10)
    worker.start()
    assert "q" not in worker.consumers, "the pump would wait for consumers that never come (WorkerRuntime.attach)"
    worker.stop(timeout=5_000)


def test_at_shutdown_hooks_come_first_and_unstarted_messages_are_requeued(
    started: Worker, broker: PlainBroker, said: list[str]
) -> None:
    def late(*args: Any) -> None:
        for thread in started.workers:  # as after the stop request: what is put now is not taken any more
            thread.stop()
        wait_until(lambda: not any(thread.is_alive() for thread in started.workers), 5)
        started.consumers["q"].handle_message(proxy())
        said.append("shutting down")

    wait_until(lambda: started.consumers["q"].consumer, 5)
    broker.middleware[0].before_worker_shutdown = late  # type: ignore[method-assign]
    started.stop(timeout=5_000)
    in_order = [each for each in said if each in {"shutting down", "requeue 1", "outer after_worker_shutdown"}]
    assert in_order == ["shutting down", "requeue 1", "outer after_worker_shutdown"], (
        "Worker.stop() does otherwise: reserved jobs go back in before_worker_shutdown, handed-over ones by requeue"
    )


def test_results_are_found_by_their_exact_type(said: list[str]) -> None:
    class Own(Results):
        pass

    backend = ResultBackend()
    assert has_results_middleware(PlainBroker(said, [Results(backend=backend)]))
    assert not has_results_middleware(PlainBroker(said, [Own(backend=backend)])), (
        "subclasses of Results are found by now: default_stack may use one of its own"
    )


def test_a_result_backend_is_reached_by_the_names_that_ours_overrides() -> None:
    for name in ("build_message_key", "store_result", "store_exception", "_get"):
        assert hasattr(ResultBackend, name), f"ResultBackend.{name} is gone: CallboardResults overrides it"
    for name in ("after_process_message", "after_skip_message", "after_nack"):
        assert getattr(Results, name) is not getattr(Middleware, name), f"Results no longer stores in {name}"


def test_adding_middleware_to_a_declared_broker_tells_it_of_its_queues(said: list[str]) -> None:
    broker = PlainBroker(said, [])
    broker.declare_queue("q")
    broker.add_middleware(Recorder("", said))
    assert "after_declare_queue" in said, "Worker.start() makes its consumers through this"


def test_an_actor_calls_its_fn() -> None:
    assert "self.fn(*args, **kwargs)" in inspect.getsource(dramatiq.Actor.__call__), (
        "Actor.__call__ no longer calls Actor.fn: CallboardBroker.declare_actor guards that function with interrupts"
    )
