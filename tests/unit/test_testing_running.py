"""The inline broker runs jobs as a worker does: in order, at their time, with retries, deferrals and crashes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import RateLimitExceeded
from pydantic import BaseModel

from callboard import CallboardBroker, PermanentError, Priority, Settings, current_job
from callboard.errors import JobCancelled, LeaseLost, NoCurrentJob
from callboard.steps import Step, reached
from callboard.testing import Clock, InlineBroker, inline_broker
from middleware.stack import default_stack

QUEUES: dict[str, dict[str, Any]] = {
    "one": {"max_attempts": 3, "backoff_base_ms": 10_000, "max_stalls": 1},
    "two": {},
    "unfair": {"fair": False},
}
SETTINGS = Settings(queues=QUEUES, only_queues=True)


class Steps(Step):
    CHARGED = "charged"
    SENT = "sent"


@pytest.fixture
def broker() -> Iterator[InlineBroker]:
    source = CallboardBroker(SETTINGS, middleware=default_stack(SETTINGS))
    with inline_broker(source) as broker:
        yield broker


@pytest.fixture
def said() -> list[Any]:
    return []


@pytest.fixture
def note(broker: InlineBroker, said: list[Any]) -> Any:
    """An actor on queue ``one`` that notes what it is given."""

    @dramatiq.actor(queue_name="one", actor_name="note")
    def note(what: Any) -> None:
        said.append(what)

    return note


def test_nothing_runs_by_itself(broker: InlineBroker, note: Any, said: list[Any]) -> None:
    sent = note.send(1)
    assert (said, broker.job(sent).state) == ([], "waiting")
    ran = broker.run_one()
    assert ran is not None
    assert (said, ran.id, ran.state) == ([1], sent.message_id, "completed")
    assert broker.run_one() is None


def test_jobs_run_by_priority_then_in_their_order(broker: InlineBroker, note: Any, said: list[Any]) -> None:
    for what, priority in (("a", 5), ("b", Priority.LOW), ("c", 5), ("d", Priority.CRITICAL), ("e", Priority.LOW)):
        note.send_with_options(args=(what,), priority=priority)
    broker.run_all()
    assert said == ["d", "a", "c", "b", "e"]


def test_queues_share_one_order(broker: InlineBroker, note: Any, said: list[Any]) -> None:
    other = dramatiq.actor(lambda what: said.append(what), queue_name="two", actor_name="other")  # noqa: PLW0108 - a function
    note.send(1)
    other.send(2)
    note.send(3)
    other.send_with_options(args=(0,), priority=1)
    broker.run_all()
    assert said == [0, 1, 2, 3]


def test_workspaces_take_turns_where_the_queue_is_fair(broker: InlineBroker, note: Any, said: list[Any]) -> None:
    for workspace, count in (("big", 4), ("small", 2)):
        for n in range(count):
            note.send_with_options(args=(f"{workspace}{n}",), workspace=workspace)
    broker.run_all()
    assert said == ["big0", "small0", "big1", "small1", "big2", "big3"]


def test_an_unfair_queue_is_a_plain_sequence(broker: InlineBroker, said: list[Any]) -> None:
    plain = dramatiq.actor(lambda what: said.append(what), queue_name="unfair", actor_name="plain")  # noqa: PLW0108 - a function
    for workspace in ("a", "a", "b"):
        plain.send_with_options(args=(workspace,), workspace=workspace)
    broker.run_all()
    assert said == ["a", "a", "b"]


def test_a_delayed_job_waits_for_the_clock(broker: InlineBroker, note: Any, said: list[Any]) -> None:
    sent = note.send_with_options(args=(1,), delay=60_000)
    assert broker.run_all() == []
    assert (broker.job(sent).state, broker.job(sent).due_in_s) == ("delayed", 60)
    broker.clock.advance(59.999)
    assert broker.run_one() is None
    broker.clock.advance(0.001)
    assert broker.job(sent).state == "waiting"
    broker.run_all()
    assert said == [1]


def test_delayed_jobs_run_in_the_order_of_their_time(broker: InlineBroker, note: Any, said: list[Any]) -> None:
    began = broker.clock.now_ms
    for delay in (30, 10, 20):
        note.send_with_options(args=(delay,), delay=delay * 1000)
    broker.run_until_idle()
    assert said == [10, 20, 30]
    assert broker.clock.now_ms - began == 30_000


def test_a_job_may_be_added_for_a_time(broker: InlineBroker, note: Any) -> None:
    broker.clock.advance_to(int(datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1000))
    added = broker.service.add_job("one", "note", {"what": 1}, run_at=datetime(2030, 1, 2, tzinfo=UTC))
    assert broker.job(added).due_in_s == 24 * 3600


def test_failures_are_retried_with_backoff_then_fail(broker: InlineBroker) -> None:
    @dramatiq.actor(queue_name="one")
    def fails() -> None:
        job = current_job()
        job.log(f"{job.attempt} of {job.max_attempts}, last: {job.is_last}")
        raise ValueError("no")

    sent = fails.send()
    waits = []
    while broker.run_all():
        waits.append(broker.job(sent).due_in_s)
        broker.clock.advance(waits[-1])
    job = broker.job(sent)
    assert waits == [10, 20, 0]
    assert (job.state, job.attempts_made, job.reason) == ("failed", 3, "ValueError: no")
    assert job.errors == ["ValueError: no"] * 3
    assert job.outcomes == ["retried", "retried", "failed"]
    assert job.log == ["1 of 3, last: False", "2 of 3, last: False", "3 of 3, last: True"]
    assert isinstance(job.exception, ValueError)
    assert "raise ValueError" in job.attempts[0].traceback
    assert broker.service.get_queue_stats("one").totals == {"added": 1, "retried": 2, "failed": 1}


def test_a_permanent_error_fails_at_once(broker: InlineBroker) -> None:
    @dramatiq.actor(queue_name="one")
    def fails() -> None:
        raise PermanentError("no such table")

    job = broker.job(fails.send())
    broker.run_all()
    job = broker.job(job)
    assert (job.state, job.attempts_made, job.errors) == ("failed", 1, ["PermanentError: no such table"])


def test_an_error_may_say_when_to_come_again(broker: InlineBroker) -> None:
    class Away(Exception):
        retry_after = 77

    @dramatiq.actor(queue_name="one")
    def fails() -> None:
        raise Away

    sent = fails.send()
    broker.run_one()
    assert broker.job(sent).due_in_s == 77


@pytest.mark.parametrize("way", ["defer", "rate limit"])
def test_a_deferral_costs_no_attempt(broker: InlineBroker, way: str) -> None:
    @dramatiq.actor(queue_name="one", max_attempts=1)
    def work() -> None:
        job = current_job()
        job.log(f"{job.attempt}")
        if len(broker.job(sent).log) < 3:
            if way == "rate limit":
                raise RateLimitExceeded("no quota")
            job.defer(5, "no quota")

    sent = work.send()
    broker.run_until_idle()
    job = broker.job(sent)
    assert (job.state, job.attempts_made, job.log) == ("completed", 1, ["1", "1", "1"])
    assert [(a.outcome, a.error_message) for a in job.attempts] == [("deferred", "no quota")] * 2


def test_endless_jobs_end_the_test(broker: InlineBroker) -> None:
    @dramatiq.actor(queue_name="one")
    def again() -> None:
        current_job().defer(0, "never")

    again.send()
    with pytest.raises(AssertionError, match="20 jobs ran and there is no end of them; the last one: again"):
        broker.run_all(limit=20)

    @dramatiq.actor(queue_name="two")
    def later() -> None:
        later.send_with_options(delay=1000)

    broker.flush_all()
    later.send()
    with pytest.raises(AssertionError, match="7 jobs ran"):
        broker.run_until_idle(limit=7)


def test_a_limit_that_is_just_enough(broker: InlineBroker, note: Any) -> None:
    for n in range(3):
        note.send_with_options(args=(n,), delay=n)
    assert len(broker.run_until_idle(limit=3)) == 3


def test_checkpoints_progress_and_options_are_there_in_the_next_attempt(broker: InlineBroker) -> None:
    @dramatiq.actor(queue_name="one")
    def work() -> None:
        job = current_job()
        job.log(f"{job.checkpoint('done')} {job.options.get('own')}")
        job.progress({"done": job.attempt})
        if job.attempt == 1:
            job.checkpoint("done", [1, (2,)])
            job.options["own"] = 7
            raise ValueError("again")

    sent = work.send()
    broker.run_until_idle()
    job = broker.job(sent)
    assert job.log == ["None None", "[1, [2]] 7"]
    assert (job.checkpoints, job.progress) == ({"done": [1, [2]]}, {"done": 2})
    said = broker.service.get_job_details("one", sent.message_id)
    assert [line for _, line in said.log] == job.log


def test_a_killed_attempt_commits_nothing_and_the_job_starts_anew(
    broker: InlineBroker, note: Any, said: list[Any]
) -> None:
    @dramatiq.actor(queue_name="one", store_results=True, on_success="note")
    def work() -> str:
        job = current_job()
        said.append((job.attempt, job.checkpoint("charged")))
        if job.checkpoint("charged") is None:
            job.checkpoint("charged", "receipt-1")
        reached(Steps.CHARGED)
        reached(Steps.SENT)
        return "sent"

    sent = work.send()
    killed = broker.run_one(killed_at=Steps.CHARGED)
    assert killed is not None
    assert (killed.state, killed.stalls, killed.attempts_made, killed.result) == ("waiting", 1, 0, None)
    broker.assert_added(note, times=0)
    broker.run_one()
    job = broker.job(sent)
    assert said == [(1, None), (1, "receipt-1")]
    assert (job.state, job.outcomes, job.result) == ("completed", ["stalled"], "sent")
    broker.assert_added(note, times=1)


def test_a_job_that_kills_its_process_too_often_fails(broker: InlineBroker) -> None:
    @dramatiq.actor(queue_name="one")
    def work() -> None:
        reached(Steps.SENT)

    sent = work.send()
    broker.run_one(killed_at=Steps.SENT)
    broker.run_one(killed_at=Steps.SENT)
    job = broker.job(sent)
    assert (job.state, job.reason) == ("failed", "stalled: 2 starts were lost with their worker")


def test_a_step_that_is_not_reached_fails_the_test(broker: InlineBroker, note: Any) -> None:
    note.send(1)
    with pytest.raises(AssertionError, match=r"did not come to the step charged; it is note\(1\) on one, completed"):
        broker.run_one(killed_at=Steps.CHARGED)


def test_an_attempt_whose_job_was_taken_from_it_is_not_heard(broker: InlineBroker) -> None:
    """As when its lease ran out: here the test lets the worker be lost while it runs."""
    seen: list[str] = []

    @dramatiq.actor(queue_name="one")
    def work() -> None:
        if not seen:
            shelf = broker._memory.shelves["one"]
            shelf.stall(next(iter(shelf.jobs.values())))
        for say in (lambda: current_job().progress(1), lambda: current_job().checkpoint("x", 1)):
            try:
                say()
            except LeaseLost as error:
                seen.append(type(error).__name__)

    sent = work.send()
    broker.run_one()
    assert seen == ["LeaseLost"] * 2
    assert (broker.job(sent).state, broker.job(sent).checkpoints) == ("waiting", {})
    broker.run_one()
    assert (broker.job(sent).state, broker.job(sent).checkpoints) == ("completed", {"x": 1})


def test_a_running_job_can_be_cancelled(broker: InlineBroker) -> None:
    @dramatiq.actor(queue_name="one")
    def work() -> None:
        job = current_job()
        job.log(f"{job.cancelled}")
        broker.service.cancel_job("one", job.id, "not wanted")
        job.log(f"{job.cancelled}")

    sent = work.send()
    broker.run_one()
    job = broker.job(sent)
    assert (job.state, job.reason, job.log) == ("cancelled", "not wanted", ["False", "True"])
    assert isinstance(job.exception, JobCancelled)


def test_operators_steer_what_does_not_run(broker: InlineBroker, note: Any, said: list[Any]) -> None:
    first, second, third = note.send(1), note.send_with_options(args=(2,), delay=60_000), note.send(3)
    service = broker.service
    assert service.cancel_job("one", first.message_id, "no") == "done"
    assert service.promote_job("one", second.message_id) == "done"
    assert service.remove_job("one", third.message_id) == "done"
    broker.run_all()
    assert said == [2]
    assert service.retry_job("one", first.message_id) == "done"
    broker.run_all()
    assert said == [2, 1]


def test_async_actors_run_on_this_thread_and_one_loop(broker: InlineBroker) -> None:
    loops = set()

    @dramatiq.actor(queue_name="one", store_results=True)
    async def work(n: int) -> int:
        await asyncio.sleep(0)
        loops.add(asyncio.get_running_loop())
        current_job().log("here")
        return n + 1

    sent = [work.send(n) for n in range(3)]
    broker.run_all()
    assert [broker.job(each).result for each in sent] == [1, 2, 3]
    assert [broker.job(each).log for each in sent] == [["here"]] * 3
    assert len(loops) == 1


def test_an_async_test_is_told_what_is_wrong(broker: InlineBroker) -> None:
    @dramatiq.actor(queue_name="one", max_attempts=1)
    async def work() -> None:
        pass

    async def test() -> None:
        sent = work.send()
        broker.run_all()
        assert "run the jobs in a synchronous one" in broker.job(sent).errors[0]

    asyncio.run(test())


def test_jobs_do_not_run_inside_of_jobs(broker: InlineBroker, note: Any) -> None:
    @dramatiq.actor(queue_name="one", max_attempts=1)
    def work() -> None:
        broker.run_all()

    note.send_with_options(args=(1,), priority=100)
    sent = work.send()
    broker.run_one()
    assert broker.job(sent).errors == [
        "RuntimeError: jobs do not run inside of a job: run them when it has returned"
    ]  # fmt: skip


@pytest.mark.parametrize("ends", [KeyboardInterrupt, pytest.fail.Exception])
def test_what_ends_a_test_passes_through(broker: InlineBroker, ends: type[BaseException]) -> None:
    @dramatiq.actor(queue_name="one")
    def work() -> None:
        raise ends("stop")

    work.send()
    with pytest.raises(ends, match="stop"):
        broker.run_all()
    with pytest.raises(NoCurrentJob):
        current_job()


def test_join_raises_what_a_job_failed_of(broker: InlineBroker, note: Any, said: list[Any]) -> None:
    @dramatiq.actor(queue_name="one", max_retries=1)
    def fails() -> None:
        raise ValueError("no")

    note.send_with_options(args=(1,), delay=10)
    broker.join("one")
    fails.send()
    with pytest.raises(ValueError, match="no"):
        broker.join("one")
    broker.join("one", fail_fast=False)
    assert said == [1]


def test_a_job_without_an_actor_fails_and_says_so(broker: InlineBroker, note: Any) -> None:
    sent = dramatiq.Message(queue_name="one", actor_name="gone", args=(), kwargs={}, options={})
    broker.enqueue(sent)
    broker.run_all()
    assert broker.job(sent).reason == "no worker of this version has an actor 'gone'"


def test_an_old_payload_is_upgraded(broker: InlineBroker, said: list[Any]) -> None:
    class Name(BaseModel):
        first: str

    @dramatiq.actor(
        queue_name="one", payload=Name, payload_version=2, upgrade=lambda payload, version: {"first": payload["name"]}
    )
    def greets(name: Name) -> None:
        said.append(name.first)

    greets.send(first="Ada")
    greets.send_with_options(kwargs={"name": "Grace"}, payload_version=1)
    broker.run_all()
    assert said == ["Ada", "Grace"]


def test_the_clock_goes_forward_only() -> None:
    clock = Clock(datetime(2026, 5, 1, tzinfo=UTC))
    clock.advance(90)
    assert clock.now() == datetime(2026, 5, 1, 0, 1, 30, tzinfo=UTC)
    for bad in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="cannot advance"):
            clock.advance(bad)
    clock.advance_to(0)
    assert clock.now_ms == 1_777_593_690_000
    with pytest.raises(ValueError, match="no time zone"):
        Clock(datetime(2026, 5, 1))  # noqa: DTZ001 - that is the point
