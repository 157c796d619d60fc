"""Flows on real servers: chains, groups, parents with children; how failures, cancels and retries go through them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from callboard import PermanentError, QueueService, current_job
from callboard.errors import (
    InvalidFlow,
    InvalidOption,
    JobNotFound,
    QueueFull,
    UnknownActor,
    UnknownQueue,
    WrongState,
)
from callboard.flows.plan import Step, chain, group, step
from callboard.verbs.flows import stage
from tests.integration.conftest import AppMaker
from tests.support.app import ENDED, App, Gate
from tests.support.engine import Engine
from tests.support.wait import wait_until


class Flows:
    """An application whose actors note what they see, and a service on it.

    ``work`` is on every queue under the name ``work_<queue>``: it returns ``value``, or fails when ``fails``.
    """

    def __init__(self, app: App, gate: Gate) -> None:
        self.app = app
        self.service = QueueService(app.settings, store=app.broker.store)
        self.fails: set[str] = set()

        def work(name: str, wait: bool = False) -> str:
            job = current_job()
            app.say((name, [child.result for child in job.children()]))
            if wait:
                gate.wait()
            if name in self.fails:
                raise PermanentError(f"{name} is broken")
            return f"result of {name}"

        for queue in app.settings.catalogue:
            app.actor(work, actor_name=f"work_{queue}", queue_name=queue)

    def step(self, name: str, queue: str = "one", **options: Any) -> Step:
        """A step named ``name``, its id too."""
        payload = {"name": name, **({"wait": True} if options.pop("wait", False) else {})}
        return step(queue, f"work_{queue}", payload, id=name, **options)

    def state(self, name: str, queue: str = "one") -> str:
        try:
            return self.service.get_job(queue, name).state
        except JobNotFound:
            return "gone"

    def until(self, name: str, state: str, queue: str = "one") -> None:
        wait_until(
            lambda: self.state(name, queue) == state, 15,
            lambda: f"{queue}/{name} to be {state}; it is {self.state(name, queue)}: {self.app.said}",
        )  # fmt: skip

    def ran(self) -> list[str]:
        """The names of what ran, in order."""
        return [name for name, _ in self.app.said]

    def saw(self, name: str) -> list[Any]:
        """The results that ``name`` saw when it last ran."""
        return [results for each, results in self.app.said if each == name][-1]


@pytest.fixture
def flows(app: App, gate: Gate) -> Iterator[Flows]:
    made = Flows(app, gate)
    yield made
    gate.open()
    app.stop_worker()
    for queue in app.settings.catalogue:
        Engine(app.broker.store, queue).snapshot().check()


@pytest.fixture
def running(flows: Flows) -> Flows:
    flows.app.start()
    return flows


def test_a_chain_over_three_queues_passes_results_on(running: Flows) -> None:
    f = running
    result = f.service.add_flow(chain(f.step("a"), f.step("b", "two"), f.step("c", "three")))
    assert (result.id, result.queue, result.status, result.jobs) == ("c", "three", "added", 3)
    f.until("c", "completed", "three")
    assert f.app.said == [("a", []), ("b", ["result of a"]), ("c", ["result of b"])]


def test_a_group_ends_with_what_follows_it_once(running: Flows) -> None:
    f = running
    members = [f.step(f"m{n}", ("one", "two", "three")[n % 3]) for n in range(30)]
    f.service.add_flow(group(*members, then=f.step("t", "two")))
    f.until("t", "completed", "two")
    assert f.ran().count("t") == 1
    assert f.ran()[-1] == "t"
    assert f.saw("t") == [f"result of m{n}" for n in range(30)]


def test_a_large_group_is_added_in_parts_and_ends_once(running: Flows) -> None:
    f = running
    f.service.add_flow(group(*[f.step(f"m{n}", "two") for n in range(1_000)], then=f.step("t")))
    f.until("t", "completed")
    assert sorted(f.ran()) == sorted([*(f"m{n}" for n in range(1_000)), "t"])
    assert len(f.saw("t")) == 1_000


def test_a_group_in_a_chain(running: Flows) -> None:
    f = running
    fan_out = group(f.step("b", "two"), f.step("c", "three"), then=f.step("d"))
    f.service.add_flow(chain(f.step("a"), fan_out, f.step("e", "two")))
    f.until("e", "completed", "two")
    assert f.ran()[0] == "a"
    assert set(f.ran()[1:3]) == {"b", "c"}
    assert f.ran()[3:] == ["d", "e"]
    assert f.saw("b") == f.saw("c") == ["result of a"]
    assert f.saw("d") == ["result of b", "result of c"]


def test_jobs_that_wait_for_others_are_blocked_and_seen_as_a_tree(flows: Flows) -> None:
    f = flows
    f.app.start()
    f.service.pause_queue("one")
    f.service.add_flow(chain(f.step("a"), group(f.step("b"), f.step("c", "two"), then=f.step("d", "three"))))
    f.until("a", "waiting")
    f.until("c", "blocked", "two")
    f.until("d", "blocked", "three")
    for queue, name in (("one", "a"), ("two", "c"), ("three", "d")):
        tree = f.service.get_flow(queue, name)
        assert (tree.id, tree.state, tree.actor) == ("d", "blocked", "work_three"), f"asked by {name}"
        assert [child.id for child in tree.children] == ["b", "c"]
        assert [child.children[0].id for child in tree.children] == ["a", "a"]
        assert {node.id: node.state for node in tree.walk()} == {"a": "waiting", **dict.fromkeys("bcd", "blocked")}
    assert f.service.get_flow("three", "d", limit=2).more == 1
    f.service.resume_queue("one")
    f.until("d", "completed", "three")
    assert {node.state for node in f.service.get_flow("one", "a").walk()} == {"completed"}


def test_a_failed_child_fails_its_parents_up_to_the_last(running: Flows) -> None:
    f = running
    f.fails = {"a"}
    f.service.add_flow(chain(f.step("a"), f.step("b", "two"), f.step("c", "three")))
    f.until("c", "failed", "three")
    assert f.state("b", "two") == "failed"
    assert f.ran() == ["a"]
    reason = f.service.get_job("three", "c").reason
    assert reason == "child two/b failed: child one/a failed: PermanentError: a is broken"


@pytest.mark.parametrize(("if_fails", "seen"), [("ignore", [None, "result of b"]), ("report", [None, "result of b"])])
def test_a_failure_that_is_ignored_or_reported_lets_the_parent_run(running: Flows, if_fails: Any, seen: Any) -> None:
    f = running
    f.fails = {"a"}
    f.service.add_flow(group(f.step("a", if_fails=if_fails), f.step("b", "two"), then=f.step("t", "three")))
    f.until("t", "completed", "three")
    assert f.saw("t") == seen


def test_the_parent_is_told_who_failed_and_why(running: Flows) -> None:
    f = running
    f.fails = {"a"}
    told: list[Any] = []

    @f.app.actor(queue_name="three", actor_name="ends")
    def ends() -> None:
        told.extend((child.queue, child.id, child.outcome, child.reason) for child in current_job().failed_children())

    f.app.stop_worker()
    f.app.start()
    f.service.add_flow(group(f.step("a", if_fails="report"), f.step("b"), then=step("three", "ends", id="t")))
    f.until("t", "completed", "three")
    assert told == [("one", "a", "failed", "PermanentError: a is broken")]


def test_retrying_a_flow_runs_what_failed_and_what_waited_for_it(running: Flows) -> None:
    f = running
    f.fails = {"b"}
    f.service.add_flow(chain(f.step("a"), f.step("b", "two"), f.step("c", "three")))
    f.until("c", "failed", "three")
    f.fails = set()
    assert f.service.retry_flow("one", "a") == 2
    f.until("c", "completed", "three")
    assert f.ran() == ["a", "b", "b", "c"], "what had completed did not run again"
    assert f.service.retry_flow("one", "a") == 0


def test_a_parent_retried_alone_waits_for_the_child_that_failed(running: Flows) -> None:
    f = running
    f.fails = {"a"}
    f.service.add_flow(chain(f.step("a"), f.step("b", "two")))
    f.until("b", "failed", "two")
    f.service.retry_job("two", "b")
    assert f.state("b", "two") == "blocked"
    f.fails = set()
    f.service.retry_job("one", "a")
    f.until("b", "completed", "two")


def test_cancelling_a_parent_cancels_its_children(flows: Flows) -> None:
    f = flows
    f.app.start()
    f.service.pause_queue("one")
    f.service.add_flow(chain(f.step("a"), f.step("b", "two"), f.step("c", "three")))
    f.until("a", "waiting")
    f.until("b", "blocked", "two")
    assert f.service.cancel_job("three", "c", "not wanted") == "done"
    f.until("b", "cancelled", "two")
    f.until("a", "cancelled")
    assert f.service.get_job("three", "c").reason == "not wanted"
    assert f.service.get_job("one", "a").reason == "its parent was cancelled"


def test_a_flow_is_cancelled_as_a_whole_also_what_runs(running: Flows, gate: Gate) -> None:
    f = running
    f.service.add_flow(group(f.step("a", wait=True), f.step("b", "two", delay=60), then=f.step("t", "three")))
    gate.reached()
    f.until("b", "delayed", "two")
    assert f.service.cancel_flow("two", "b", "enough") == 3
    f.until("t", "cancelled", "three")
    f.until("b", "cancelled", "two")
    f.until("a", "cancelled")
    assert f.ran() == ["a"]


def test_a_cancelled_child_fails_its_parent(running: Flows) -> None:
    f = running
    f.service.add_flow(chain(f.step("a", delay=60), f.step("b", "two")))
    f.until("a", "delayed")
    f.service.cancel_job("one", "a", "no more")
    f.until("b", "failed", "two")
    assert f.service.get_job("two", "b").reason == "child one/a was cancelled: no more"


@pytest.mark.parametrize("verb", ["remove", "drain", "clean"])
def test_a_child_that_is_removed_before_it_ran_fails_its_parent(running: Flows, verb: str) -> None:
    f = running
    f.service.add_flow(chain(f.step("a", delay=60), f.step("b", "two")))
    f.until("a", "delayed")
    {
        "remove": lambda: f.service.remove_job("one", "a"),
        "drain": lambda: f.service.drain_queue("one", delayed=True),
        "clean": lambda: f.service.clean_queue("one", "delayed", 0),
    }[verb]()
    f.until("b", "failed", "two")


def test_removing_a_job_takes_its_children_when_asked(running: Flows) -> None:
    f = running
    f.service.add_flow(chain(f.step("a"), f.step("b", "two"), f.step("c", "three")))
    f.until("c", "completed", "three")
    f.service.remove_job("two", "b", children=True)
    assert [f.state("a"), f.state("b", "two"), f.state("c", "three")] == ["gone", "gone", "completed"]
    assert [child.state for child in f.service.get_flow("three", "c").children] == ["completed"], "it remembers its end"


def test_a_flow_is_removed_as_a_whole_unless_it_runs(running: Flows, gate: Gate) -> None:
    f = running
    f.service.add_flow(chain(f.step("a", wait=True), f.step("b", "two")))
    gate.reached()
    with pytest.raises(WrongState, match="one/a of the flow is active"):
        f.service.remove_flow("two", "b")
    assert f.state("b", "two") == "blocked", "nothing was removed"
    gate.open()
    f.until("b", "completed", "two")
    assert f.service.remove_flow("one", "a") == 2
    assert [f.state("a"), f.state("b", "two")] == ["gone", "gone"]


def test_a_step_with_a_time_of_its_own_starts_no_earlier(running: Flows) -> None:
    f = running
    f.service.add_flow(chain(f.step("a"), f.step("b", "two", delay=60)))
    f.until("a", "completed")
    f.until("b", "delayed", "two")


def test_a_flow_added_twice_is_there_once(running: Flows) -> None:
    f = running

    def made() -> Step:
        return chain(f.step("a"), f.step("b", "two"))

    assert f.service.add_flow(made()).status == "added"
    f.until("b", "completed", "two")
    assert f.service.add_flow(made()).status == "duplicate"
    f.app.drained()
    assert f.ran() == ["a", "b"]


def test_a_child_whose_id_is_taken_fails_its_parent(running: Flows) -> None:
    f = running
    f.service.add_job("one", "work_one", {"name": "a"}, id="a")
    f.until("a", "completed")
    f.service.add_flow(chain(f.step("a"), f.step("b", "two")))
    f.until("b", "failed", "two")
    assert "a job of its id was there already" in f.service.get_job("two", "b").reason


def test_bad_flows_are_refused_with_the_reason_and_nothing_is_added(running: Flows) -> None:
    f = running
    circle = f.step("a")
    circle.after.append(circle)
    bad: list[tuple[Callable[[], Step], type[Exception], str]] = [
        (lambda: chain(f.step("a"), step("nowhere", "work_one")), UnknownQueue, "nowhere"),
        (lambda: chain(f.step("a"), step("two", "missing")), UnknownActor, "missing"),
        (lambda: chain(step("two", "work_two", priority=0.5), f.step("b")), InvalidOption, "priority"),
        (lambda: circle, InvalidFlow, "circle"),
        (lambda: chain(f.step("a"), step("two", "work_two", id="a b")), InvalidOption, "job id"),
    ]
    for make, error, match in bad:
        with pytest.raises(error, match=match):
            f.service.add_flow(make())
    assert all(f.app.stats(queue).totals.get("added", 0) == 0 for queue in ("one", "two", "three"))
    with pytest.raises(JobNotFound):
        f.service.get_flow("one", "nobody")
    with pytest.raises(JobNotFound):
        f.service.cancel_flow("one", "nobody")


def test_a_full_queue_refuses_a_flow_at_the_door_and_takes_what_it_accepted(make_app: AppMaker, gate: Gate) -> None:
    queues = {"one": {"max_length": 3}, "two": {}, "three": {}}
    f = Flows(make_app(queues=queues), gate)
    f.app.start()
    f.service.pause_queue("one")
    with pytest.raises(QueueFull, match="the flow would bring 4"):
        f.service.add_flow(group(*[f.step(f"m{n}") for n in range(4)], then=f.step("t", "two")))
    f.service.add_flow(group(*[f.step(f"n{n}") for n in range(3)], then=f.step("u", "two")))
    wait_until(lambda: f.app.stats("one").waiting == 3, 10, "the flow's jobs")


def test_an_outbox_of_a_queue_without_workers_is_delivered_by_any_worker(make_app: AppMaker, gate: Gate) -> None:
    f = Flows(make_app(), gate)
    f.app.start()  # publishes the actors
    f.app.stop_worker()
    f.service.add_flow(chain(f.step("a", "two"), f.step("b", "three")))  # into the outbox of queue three
    worker = f.app.start()
    worker.consumers["three"].close()
    f.until("b", "completed", "three")


def test_a_family_larger_than_one_call_leaves_nothing_behind(running: Flows) -> None:
    f = running
    f.service.add_flow(group(*[f.step(f"m{n}", "two") for n in range(200)], then=f.step("t")))
    f.until("t", "completed")
    assert f.service.remove_flow("one", "t") == 201
    one = Engine(f.app.broker.store, "one")
    one.sweep()
    kept = one.snapshot()
    assert not kept.hash("children")
    assert not kept.hash("staged")


def test_what_was_put_aside_for_a_flow_that_never_came_goes(flows: Flows) -> None:
    f = flows
    stage(f.app.broker.store, "one", "family", 0, [("two", "x", b"{}", 5, "", 0, ([], "", 0, []), "")])
    one = Engine(f.app.broker.store, "one")
    one.sweep()
    assert len(one.snapshot().hash("staged")) == 1, "its producer may still be at it"
    (field,) = one.snapshot().hash("staged")
    family, part, ms = field.split("/")[1:]
    one.do("HDEL", "staged", field)
    one.do("HSET", "staged", f"rows/{family}/{part}/{int(ms) - 3_700_000}", b"")
    one.sweep()
    assert not one.snapshot().hash("staged")


def test_the_state_of_every_job_is_final_once_its_flow_has_ended(running: Flows) -> None:
    f = running
    f.fails = {"m3"}
    members = [f.step(f"m{n}", "two", if_fails="ignore") for n in range(10)]
    f.service.add_flow(chain(group(*members, then=f.step("t")), f.step("z", "three")))
    f.until("z", "completed", "three")
    f.app.drained()
    assert {node.state for node in f.service.get_flow("three", "z").walk()} <= set(ENDED)
