"""``current_job()`` on real servers: what an actor may ask and say, and who is still heard."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from typing import Any

import dramatiq
import pytest
from dramatiq import Middleware

from callboard import PermanentError, QueueService, current_job
from callboard.current import running_job
from callboard.errors import InvalidOption, LeaseLost, NoCurrentJob, PayloadTooLarge
from callboard.ids import pack_id
from callboard.verbs.leases import release_call
from callboard.verbs.telling import JobDetails
from middleware.stack import default_stack
from tests.integration.conftest import AppMaker
from tests.support.app import App, Gate
from tests.support.engine import Engine
from tests.support.wait import wait_until


def details(app: App, message: dramatiq.Message[Any]) -> JobDetails:
    """What the job has said, as an operator sees it."""
    service = QueueService(app.settings, store=app.broker.store)
    return service.get_job_details(message.queue_name, message.message_id)


def take_lease_away(app: App, message: dramatiq.Message[Any]) -> None:
    """The job goes back while its attempt runs, as after a network cut; whoever is free fetches it anew."""
    runtime, stored_id = app.broker.runtime, pack_id(message.message_id)
    number = next(job.number for job in runtime.pump.held()[message.queue_name] if job.stored_id == stored_id)
    call = release_call(runtime.worker_id, message.queue_name, [(stored_id, number)])
    assert app.broker.store.call(*call) == b"1", "the lease could not be taken away"


def test_it_says_which_job_runs(app: App) -> None:
    @app.actor(actor_name="work", max_attempts=2)
    def work() -> None:
        job = current_job()
        app.say((job.id, job.queue, job.actor, job.workspace, job.attempt, job.max_attempts, job.is_last))
        app.say((job.added_ms, job.cancelled))
        if job.attempt == 1:
            raise ValueError("once")

    app.start()
    message = work.send_with_options(workspace="acme")
    app.ended(message)
    assert app.said == [
        (message.message_id, "one", "work", "acme", 1, 2, False), (message.message_timestamp, False),
        (message.message_id, "one", "work", "acme", 2, 2, True), (message.message_timestamp, False),
    ]  # fmt: skip


def test_operators_see_progress_and_log(app: App) -> None:
    @app.actor
    def work() -> None:
        job = current_job()
        job.progress(0.5)
        app.say(details(app, message).progress)
        job.progress({"done": 3, "of": 40})
        job.log("three are done")
        job.log("naïve – ✓")

    message = work.message()
    app.broker.enqueue(message)
    app.start()
    app.ended(message)
    said = details(app, message)
    assert app.said == [0.5]
    assert said.progress == {"done": 3, "of": 40}
    assert [line for _, line in said.log] == ["three are done", "naïve – ✓"]
    assert all(abs(at - time.time() * 1000) < 60_000 for at, _ in said.log)


@pytest.mark.parametrize(
    ("says", "error"),
    [
        (lambda job: job.progress("half"), InvalidOption),
        (lambda job: job.progress({"x": "y" * 5_000}), PayloadTooLarge),
        (lambda job: job.checkpoint("x", object()), InvalidOption),
        (lambda job: job.checkpoint("x", "y" * 70_000), PayloadTooLarge),
        (lambda job: job.checkpoint("", 1), InvalidOption),
        (lambda job: job.checkpoint(7, 1), InvalidOption),
        (lambda job: job.checkpoint("x\udc80"), InvalidOption),
        (lambda job: job.defer(-1), InvalidOption),
    ],
)
def test_what_cannot_be_kept_is_refused_and_the_job_is_tried_again(app: App, says: Any, error: Any) -> None:
    @app.actor
    def work() -> None:
        if current_job().attempt == 1:
            says(current_job())

    app.start()
    job = app.ended(work.send())
    assert [attempt.error_type for attempt in job.attempts] == [error.__name__]
    assert job.state == "completed"


def test_a_checkpoint_is_there_in_the_next_attempt(app: App) -> None:
    @app.actor
    def work() -> None:
        job = current_job()
        app.say((job.checkpoint("receipt"), job.checkpoint("pages")))
        if job.attempt == 1:
            job.checkpoint("receipt", {"id": 17})
            job.checkpoint("pages", [1, 2])
            job.checkpoint("pages", [1, 2, 3])
            raise ValueError("after the charge")

    app.start()
    message = work.send()
    assert app.ended(message).state == "completed"
    assert app.said == [(None, None), ({"id": 17}, [1, 2, 3])]
    assert details(app, message).checkpoints == {"receipt": {"id": 17}, "pages": [1, 2, 3]}


def test_a_checkpoint_reads_the_same_in_its_own_attempt_as_in_the_next(app: App) -> None:
    """What was stored counts, not the object that the actor goes on to change."""

    @app.actor
    def work() -> None:
        job = current_job()
        if job.attempt == 1:
            assert job.checkpoint("done") is None
            done: Any = [("a", {1: "x"})]
            job.checkpoint("done", done)
            done.append("never stored")
            job.checkpoint("done").append("nor this")
        app.say(job.checkpoint("done"))
        if job.attempt == 1:
            raise ValueError("again")

    app.start()
    app.ended(work.send())
    assert app.said == [[["a", {"1": "x"}]]] * 2


def test_a_checkpoint_survives_a_stall(app: App, gate: Gate) -> None:
    """The worker stands still, its lease runs out, and the job starts elsewhere."""

    @app.actor
    def work() -> None:
        job = current_job()
        app.say(job.checkpoint("charged"))
        if job.checkpoint("charged") is None:
            job.checkpoint("charged", "receipt-1")
            gate.wait()

    app.start()
    message = work.send()
    gate.reached()
    engine = Engine(app.broker.store, "one")

    def stalled() -> bool:
        if app.job(message).state == "active" and not app.job(message).stalls:
            engine.warp(engine.spec.lease_ms + 1)
            engine.sweep()
        return len(app.said) == 2

    wait_until(stalled, 10, lambda: f"the job to be started anew; it is {app.job(message)}")
    job = app.ended(message)
    gate.open()
    assert app.said == [None, "receipt-1"]
    assert (job.state, job.stalls, job.attempts_made) == ("completed", 1, 1)
    assert [attempt.outcome for attempt in job.attempts] == ["stalled"]


@pytest.mark.parametrize("says", ["progress", "log", "checkpoint"])
def test_an_attempt_that_lost_its_lease_is_not_heard_and_ends_without_a_trace(app: App, gate: Gate, says: str) -> None:
    first_spoke = threading.Event()

    @app.actor
    def work() -> None:
        job = current_job()
        if not app.said:
            app.say("first")
            gate.wait()
            try:
                {"progress": lambda: job.progress(1), "log": lambda: job.log("stale"),
                 "checkpoint": lambda: job.checkpoint("name", "stale")}[says]()  # fmt: skip
            except LeaseLost:
                app.say("lease lost")
                raise
            finally:
                first_spoke.set()
        else:
            app.say("second")
            job.checkpoint("name", "fresh")
            assert first_spoke.wait(10)

    app.start()
    message = work.send()
    gate.reached()
    take_lease_away(app, message)
    wait_until(lambda: "second" in app.said, 10, "the job to be started anew")
    gate.open()
    job = app.ended(message)
    assert sorted(app.said) == ["first", "lease lost", "second"]
    assert (job.state, job.attempts_made, job.attempts) == ("completed", 1, [])
    assert details(app, message) == JobDetails(checkpoints={"name": "fresh"})
    wait_until(lambda: app.stats("one").totals.get("stale_finishes", 0) == 1, 10, "the first attempt's end")


def test_an_actor_can_look_whether_it_was_cancelled(app: App) -> None:
    """Where no interrupt gets: in a thread of its own, which carries the context along."""

    @app.actor
    def work() -> None:
        context = contextvars.copy_context()
        seen = threading.Event()

        def inside() -> None:
            app.say("runs")
            wait_until(lambda: current_job().cancelled, 10, "the cancel")
            seen.set()

        thread = threading.Thread(target=context.run, args=(inside,))
        thread.start()
        while thread.is_alive():
            try:
                thread.join()
            except BaseException as error:  # noqa: BLE001 - the interrupt comes once
                app.say(type(error).__name__)
        assert seen.is_set()

    app.start()
    message = work.send()
    wait_until(lambda: app.said, 10, "the actor to run")
    QueueService(app.settings, store=app.broker.store).cancel_job("one", message.message_id, "not wanted")
    job = app.ended(message)
    assert (job.state, job.reason) == ("cancelled", "not wanted")
    assert app.said == ["runs", "JobCancelled"]


def test_a_deferral_costs_no_attempt_and_says_why(app: App) -> None:
    @app.actor(max_attempts=1)
    def work() -> None:
        job = current_job()
        app.say((job.attempt, job.is_last))
        if len(app.said) < 4:
            job.defer(0.01, f"the platform is away ({len(app.said)})")

    app.start()
    job = app.ended(work.send())
    assert (job.state, job.attempts_made) == ("completed", 1)
    assert app.said == [(1, True)] * 4
    assert [(a.outcome, a.error_message) for a in job.attempts] == [
        ("deferred", f"the platform is away ({n})") for n in (1, 2, 3)
    ]


def test_a_job_that_is_deferred_for_ever_can_be_seen(make_app: AppMaker) -> None:
    app = make_app(attempts_kept=5)

    @app.actor
    def work() -> None:
        app.say(1)
        current_job().defer(0 if len(app.said) < 12 else 3600, "no quota")

    app.start()
    message = work.send()
    wait_until(lambda: app.job(message).state == "delayed", 10, lambda: f"{app.job(message)} to be delayed")
    job = app.job(message)
    assert [(a.number, a.outcome, a.error_message) for a in job.attempts] == [(1, "deferred", "no quota")] * 5
    assert 3_500_000 < job.due_ms - time.time() * 1000 < 3_700_000
    assert app.stats("one").totals["deferred"] == 12


def test_a_deferral_without_a_reason_says_for_how_long(app: App) -> None:
    @app.actor
    def work() -> None:
        if not app.said:
            app.say(1)
            current_job().defer(0.02)

    app.start()
    job = app.ended(work.send())
    assert [a.error_message for a in job.attempts] == ["deferred for 0.02 s"]


def test_an_async_actor_has_its_job_across_awaits_and_in_its_tasks(app: App) -> None:
    @app.actor
    async def work(name: str) -> None:
        async def part(n: int) -> str:
            await asyncio.sleep(0)
            current_job().checkpoint(f"{name}{n}", n)
            return current_job().id

        ids = await asyncio.gather(part(1), part(2))
        await asyncio.to_thread(lambda: current_job().log(name))
        app.say({name: {*ids, current_job().id}})

    app.start()
    messages = {name: work.send(name) for name in "abcdefgh"}
    for name, message in messages.items():
        assert app.ended(message).state == "completed"
        assert {name: {message.message_id}} in app.said
        assert details(app, message).checkpoints == {f"{name}1": 1, f"{name}2": 2}
        assert [line for _, line in details(app, message).log] == [name]
    assert running_job() is None


def test_an_async_actor_may_defer(app: App) -> None:
    @app.actor
    async def work() -> None:
        await asyncio.sleep(0)
        app.say(1)
        if len(app.said) == 1:
            current_job().defer(0, "first the other")

    app.start()
    job = app.ended(work.send())
    assert [(a.outcome, a.error_message) for a in job.attempts] == [("deferred", "first the other")]


def test_there_is_none_outside_of_a_job(app: App) -> None:
    @app.actor
    def work() -> None:
        current_job()

    with pytest.raises(NoCurrentJob, match="No job runs here"):
        current_job()
    with pytest.raises(NoCurrentJob):
        work()
    assert running_job() is None


@pytest.mark.parametrize("ends", ["completed", "failed"])
def test_hooks_after_an_actor_and_the_next_job_on_its_thread_do_not_see_it(make_app: AppMaker, ends: str) -> None:
    seen: list[tuple[str, Any]] = []

    class Looks(Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            seen.append(("before", running_job()))

        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
        ) -> None:
            seen.append(("after", running_job()))

        def after_ack(self, broker: Any, message: Any) -> None:
            seen.append(("ack", running_job()))

        after_nack = after_ack

    plain = make_app()
    app = make_app([Looks(), *default_stack(plain.settings), Looks()])

    @app.actor
    def work() -> None:
        seen.append(("actor", current_job().id))
        if ends == "failed":
            raise PermanentError("no")

    messages = [work.send() for _ in range(3)]
    app.start(threads=1)
    assert [app.ended(message).state for message in messages] == [ends] * 3
    wait_until(lambda: len(seen) == 21, 10, lambda: f"21 looks; there were {seen}")
    assert [what for where, what in seen if where == "actor"] == [message.message_id for message in messages]
    assert {what for where, what in seen if where != "actor"} == {None}


def test_an_actor_that_calls_another_one_directly_stays_the_job_that_runs(app: App) -> None:
    @app.actor
    def inner() -> str:
        return current_job().id

    @app.actor
    def outer() -> None:
        app.say((inner(), current_job().id))

    app.start()
    message = outer.send()
    assert app.ended(message).state == "completed"
    assert app.said == [(message.message_id, message.message_id)]


def test_options_that_an_attempt_leaves_are_there_in_the_next(app: App) -> None:
    @app.actor
    def work() -> None:
        job = current_job()
        app.say(job.options.get("seen"))
        job.options["seen"] = job.attempt
        if job.attempt < 3:
            raise ValueError("again")

    app.start()
    app.ended(work.send())
    assert app.said == [None, 1, 2]
