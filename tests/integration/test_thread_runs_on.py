"""A worker thread goes on with the job that takes its slot: nobody notices, but for the time that it saves."""

from __future__ import annotations

import gc
import sys
import threading
import time
import weakref
from collections import Counter, defaultdict
from typing import Any

import dramatiq
import pytest

from tests.integration.conftest import AppMaker
from tests.support.app import QUICK, App, Gate
from tests.support.snapshot import take_snapshot
from tests.support.wait import last, wait_until

#: A reserve of a second's work, so that a thread has a job to go on with.
RESERVE: dict[str, Any] = {"reserve_ms": 1_000, "reserve_hold_ms": 10_000}


def runs_on() -> bool:
    """Whether the calling actor was started by the hook that runs on, and not from Dramatiq's work queue."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "after_ack" and frame.f_code.co_filename.endswith("runtime.py"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


class Diary(dramatiq.Middleware):
    """Notes each thread's hooks, with the job that they are for."""

    def __init__(self) -> None:
        self.by_thread: dict[int, list[tuple[str, str]]] = defaultdict(list)
        for hook in ("before_process_message", "after_process_message", "before_ack", "after_ack", "before_nack",
                     "after_nack"):  # fmt: skip
            setattr(self, hook, self._hook(hook))

    def _hook(self, hook: str) -> Any:
        def called(broker: Any, message: Any, **kwargs: Any) -> None:
            self.by_thread[threading.get_ident()].append((message.message_id, hook))

        return called


@pytest.mark.parametrize("threads", [1, 4])
def test_hooks_run_once_an_attempt_and_in_order(make_app: AppMaker, threads: int) -> None:
    app, diary = make_app(**RESERVE), Diary()
    app.broker.add_middleware(diary)

    @app.actor(max_retries=0, throws=ValueError)
    def act(n: int) -> None:
        app.say((app.current().message_id, runs_on()))
        if n % 3 == 0:
            raise ValueError("no")

    ids = app.send_many("act", [(n,) for n in range(600)])
    app.start(threads)
    app.drained()
    app.stop_worker()
    assert sorted(job for job, _ in app.said) == sorted(ids), "each job ran once, and saw its own message"
    assert sum(on for _, on in app.said) > 100, "threads hardly ran on: the test shows nothing"
    failed = set(ids[::3])
    for hooks in diary.by_thread.values():
        jobs = list(dict.fromkeys(job for job, _ in hooks))
        expected = []
        for job in jobs:
            end = "nack" if job in failed else "ack"
            expected += [(job, "before_process_message"), (job, "after_process_message"), (job, f"before_{end}"),
                         (job, f"after_{end}")]  # fmt: skip
        assert hooks == expected
    totals = app.stats("one").totals
    assert (totals["completed"], totals["failed"]) == (400, 200)


class Told(ValueError):
    """Can be referred to weakly."""


def test_exceptions_are_released_while_the_thread_runs_on(make_app: AppMaker, gate: Gate) -> None:
    app = make_app(**RESERVE)
    errors: list[weakref.ref[Told]] = []

    @app.actor(max_retries=0, throws=Told)
    def act(n: int) -> None:
        if n == 400:
            app.say(runs_on())
            gate.wait()
            return
        error = Told(n)
        errors.append(weakref.ref(error))
        raise error

    app.send_many("act", [(n,) for n in range(401)])
    app.start(threads=1)
    gate.reached()
    assert app.said == [True], "the last job was not run on to: the test shows nothing"
    gc.collect()
    assert len(errors) == 400
    assert [ref for ref in errors if ref() is not None] == []


def test_no_job_is_current_between_jobs_and_none_inherits_a_time_limit(make_app: AppMaker) -> None:
    app = make_app(**RESERVE)
    between: list[Any] = []

    class Between(dramatiq.Middleware):
        def after_ack(self, broker: Any, message: Any) -> None:
            between.append((app.broker.runtime.current_job(), app.current()))

    app.broker.add_middleware(Between())

    @app.actor
    def act(n: int) -> None:
        if n == 250:
            last(0.3)  # longer than the limit of the others
        job = app.broker.runtime.current_job()
        app.say((job is app.current(), job is not None and job.args == (n,)))

    for n in range(300):
        act.send_with_options(args=(n,), **({} if n == 250 else {"time_limit": 150}))
    app.start(threads=1)
    app.drained()
    app.stop_worker()
    assert set(app.said) == {(True, True)}
    assert len(app.said) == 300
    assert between == [(None, None)] * 300
    assert app.stats("one").totals == {"added": 300, "completed": 300}


def test_a_long_job_holds_up_no_other(app: App, gate: Gate) -> None:
    @app.actor
    def act(n: int) -> None:
        if n == 10:
            gate.wait()
        app.say(n)

    app.send_many("act", [(n,) for n in range(500)])
    app.start(threads=2)
    wait_until(lambda: len(app.said) == 499, 10, lambda: f"all but the long one to end; {len(app.said)} have")
    gate.open()
    app.drained()
    assert len(app.said) == 500


@pytest.mark.parametrize("limit", [1, 2])
def test_a_limit_a_process_holds_while_threads_run_on(make_app: AppMaker, limit: int) -> None:
    app = make_app(queues={"one": {**QUICK, "max_per_process": limit}, "two": QUICK}, **RESERVE)
    lock = threading.Lock()
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()

    def act(queue: str) -> None:
        with lock:
            running[queue] += 1
            most[queue] = max(most[queue], running[queue])
        threading.Event().wait(0.002)
        with lock:
            running[queue] -= 1

    for queue in ("one", "two"):
        app.actor(act, actor_name=queue, queue_name=queue)
        app.send_many(queue, [(queue,)] * 100)
    app.start(threads=4)
    app.drained()
    assert most["one"] == limit
    assert most["two"] >= 4 - limit
    assert app.stats("one").totals["completed"] == app.stats("two").totals["completed"] == 100


@pytest.mark.parametrize(("weights", "at_least", "at_most"), [((1, 1), 0.8, 1.25), ((3, 1), 2.4, 3.6)])
def test_queues_share_a_thread_by_their_weight(
    make_app: AppMaker, weights: tuple[int, int], at_least: float, at_most: float
) -> None:
    specs = {name: {**QUICK, "weight": weight} for name, weight in zip(("one", "two"), weights, strict=True)}
    app = make_app(queues=specs)
    for queue in ("one", "two"):
        app.actor(lambda queue: app.say((queue, runs_on())), actor_name=queue, queue_name=queue)
        app.send_many(queue, [(queue,)] * 8_000)
    app.start(threads=1)
    app.drained()
    assert len(app.said) == 16_000
    # Rates are known by then, and neither queue is empty.
    shared = app.said[2_000:9_500]
    starts = Counter(queue for queue, _ in shared)
    assert at_least <= starts["one"] / starts["two"] <= at_most, f"starts by weights {weights}: {starts}"
    assert sum(on for _, on in shared) > 500, "the thread hardly ran on: the test shows nothing"


@pytest.mark.parametrize("limit", [None, 1])
def test_a_backlog_of_one_queue_does_not_keep_another_from_starting(make_app: AppMaker, limit: int | None) -> None:
    app = make_app(queues={"one": {**QUICK, "weight": 4}, "two": {**QUICK, "max_per_process": limit}})
    for queue in ("one", "two"):
        app.actor(app.say, actor_name=queue, queue_name=queue)
    app.send_many("one", [("one",)] * 15_000)
    app.start(threads=4)
    wait_until(lambda: len(app.said) > 1_000, 10, "load")
    app.send_many("two", [("two",)] * 100)
    app.drained()
    ahead = app.said[: app.said.index("two")].count("one") if "two" in app.said else 15_000
    backlog = Counter(app.said[:12_000])
    assert backlog["two"] >= 20, f"{backlog['two']} of 100 started within 12,000 starts, the first after {ahead} others"


def test_a_stop_request_ends_the_loop_while_there_is_a_backlog(make_app: AppMaker) -> None:
    app = make_app()

    @app.actor
    def act(n: int) -> None:
        app.say(n)

    ids = app.send_many("act", [(n,) for n in range(10_000)])
    app.start(threads=4)
    wait_until(lambda: len(app.said) > 100, 10, "load")
    began = time.monotonic()
    app.stop_worker()
    took = time.monotonic() - began
    assert took < 3, f"stopping took {took:.1f} s"
    snapshot = take_snapshot(app.broker.store, "one")
    snapshot.check()
    left, records = snapshot.zset("waiting"), snapshot.records
    assert len(left) > 0, "all was done before the stop: the test shows nothing"
    assert snapshot.zset("active") == {}
    assert len(app.said) + len(left) == len(ids), "each job ran, or waits"
    assert app.stats("one").totals["completed"] == len(app.said), "what ended is committed"
    spent = {job for job in left if records[job].attempts or records[job].stalls}
    assert not spent, "going back costs nothing"


def test_a_paused_worker_does_not_run_on(make_app: AppMaker) -> None:
    app = make_app(**RESERVE)

    @app.actor
    def act(n: int) -> None:
        app.say(n)

    app.send_many("act", [(n,) for n in range(3_000)])
    worker = app.start(threads=2)
    wait_until(lambda: len(app.said) > 50, 10, "load")
    worker.pause()
    done = len(app.said)
    assert done < 3_000, "all was done before the pause: the test shows nothing"
    last(0.2)
    assert len(app.said) == done
    worker.resume()
    app.drained()
    assert sorted(app.said) == list(range(3_000))
