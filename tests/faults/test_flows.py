"""A worker dies between any two steps of a flow: no link is lost, and none is committed twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from callboard.errors import StoreUnavailable
from callboard.flows.plan import Step, chain, group, step
from callboard.outbox import deliver_outbox
from callboard.service import QueueService
from callboard.verbs import fleet
from tests.support.deployment import Deployment
from tests.support.ledger import Fault
from tests.support.proxy import AFTER, BEFORE, HOLE, Proxy
from tests.support.verdict import assert_drained, judge
from tests.support.wait import wait_until
from tests.support.workers import Fleet, WorkerTree

#: Every script that takes part when a flow goes on, and what it does there.
STEPS = {
    "cycle": "a job's end, with its message",
    "outbox_read": "a message is read",
    "deliver": "a job reaches its queue",
    "children_ended": "a parent hears of an end",
    "outbox_end": "a message has ended",
    "grow": "a part of a large flow is sent",
}


def has_ends(words: list[bytes]) -> bool:
    """Whether a cycle carries ends of jobs (its ARGV[7])."""
    return words[3 + int(words[2]) + 6] != b""


#: Which calls of a verb are about flows.
MATTERS: dict[str, Callable[[list[bytes]], bool]] = {verb: lambda words: True for verb in STEPS}
MATTERS["cycle"] = has_ends


def chain_of_three(n: int) -> Step:
    """Two links on ``work``, then one on ``next``."""
    steps = [step("work", "work", {"ms": 1}, id=f"{n}-{link}") for link in "ab"]
    return chain(*steps, step("next", "link", id=f"{n}-t"))


def large_group(n: int) -> Step:
    """Two hundred jobs on ``work``, so that they come in parts, and what follows them on ``next``."""
    return group(*[step("work", "work", id=f"{n}-{m}") for m in range(200)], then=step("next", "link", id=f"{n}-t"))


def add_all(service: QueueService, deployment: Deployment, make: Callable[[int], Step], count: int) -> int:
    """Add so many flows. Returns: how many jobs they have."""
    results = [service.add_flow(make(n)) for n in range(count)]
    deployment.ledger.note("flows", [result.id for result in results])
    return sum(result.jobs for result in results)


def assert_each_was_committed_once(deployment: Deployment, jobs: int, last: int) -> None:
    """Every job of the flows has completed in one attempt; so have the last ones, each once."""
    wait_until(lambda: deployment.totals("next").get("completed") == last, 60, lambda: f"ends: {where(deployment)}")
    for queue in ("work", "next"):
        assert_drained(deployment, queue)
    totals = [deployment.totals(queue) for queue in ("work", "next")]
    assert sum(each["added"] for each in totals) == jobs, "each job was added once"
    assert sum(each["completed"] for each in totals) == jobs, "each job was committed once"
    attempts = {job: record.attempts for queue in ("work", "next") for job, record in deployment.records(queue).items()}
    assert set(attempts.values()) == {1}, {job: n for job, n in attempts.items() if n != 1}


def publish(deployment: Deployment) -> None:
    """Make the actors known, as after the first start of a worker."""
    service = deployment.service()
    actors = {"work": {"queue": "work", "priority": 0}, "link": {"queue": "next", "priority": 0}}
    fleet.publish(service.store, actors)
    service.close()


def where(deployment: Deployment) -> str:
    return str({queue: {s: len(ids) for s, ids in deployment.states(queue).items()} for queue in ("work", "next")})


@pytest.mark.parametrize("verb", STEPS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_worker_dies_at_each_step(
    deployment: Deployment, proxy: Proxy, tmp_path: Path, verb: str, after: bool
) -> None:
    """From its first call of the verb on none arrives (before), or that call runs and its answer is lost (after)."""
    make, count = (large_group, 2) if verb == "grow" else (chain_of_three, 10)
    service = deployment.service()
    with WorkerTree(deployment, tmp_path / "killed.log", url=proxy.url) as killed:
        killed.ready()
        rule = proxy.strike(verb, AFTER if after else HOLE, times=1 if after else 10**6, when=MATTERS[verb])
        jobs = add_all(service, deployment, make, count)
        wait_until(lambda: rule.struck, 20, f"a call of {verb}")
        killed.kill()
    with WorkerTree(deployment, tmp_path / "other.log") as other:
        other.ready()
        assert_each_was_committed_once(deployment, jobs, count)
    service.close()


@pytest.mark.parametrize("what", [BEFORE, AFTER])
@pytest.mark.parametrize("verb", [verb for verb in STEPS if verb != "grow"])
def test_a_connection_is_cut_at_each_step(
    deployment: Deployment, proxy: Proxy, tmp_path: Path, verb: str, what: str
) -> None:
    service = deployment.service()
    with WorkerTree(deployment, tmp_path / "log", url=proxy.url) as tree:
        tree.ready()
        rule = proxy.strike(verb, what, times=2, when=MATTERS[verb])
        jobs = add_all(service, deployment, chain_of_three, 10)
        assert_each_was_committed_once(deployment, jobs, 10)
        assert rule.struck > 0
    service.close()


def test_flows_end_whoever_is_killed(deployment: Deployment, tmp_path: Path, rng: random.Random) -> None:
    """Workers are killed again and again while flows run."""
    faults: list[Fault] = []
    service = deployment.service()
    with Fleet(deployment, tmp_path, 2) as workers:
        for tree in workers.trees:
            tree.ready()
        deployment.ledger.note("attempted", [f"{n}-{link}" for n in range(300) for link in "abt"])
        jobs = add_all(service, deployment, chain_of_three, 300)
        deployment.ledger.note("acknowledged", [f"{n}-{link}" for n in range(300) for link in "ab"])
        for n in range(6):
            wait_until(lambda n=n: deployment.totals("next").get("completed", 0) >= n * 30, 60, "flows to end")
            faults.append(workers.one(rng).kill())
        wait_until(lambda: deployment.totals("next").get("completed") == 300, 60, lambda: f"ends: {where(deployment)}")
    assert_each_was_committed_once(deployment, jobs, 300)
    judge(deployment, faults)
    service.close()


@pytest.mark.parametrize("what", [BEFORE, AFTER])
@pytest.mark.parametrize("verb", ["add_flow", "stage"])
def test_a_flow_is_added_as_a_whole_whatever_becomes_of_the_call(
    deployment: Deployment, proxy: Proxy, verb: str, what: str
) -> None:
    """A producer's call is cut: ``add_flow`` is sent again; ``stage`` fails, and nothing was added then."""
    publish(deployment)
    service = deployment.service(proxy.url)
    proxy.strike(verb, what, passing=0)
    if verb == "stage":
        with pytest.raises(StoreUnavailable):
            service.add_flow(large_group(0))
        assert deployment.totals("next").get("added", 0) == 0
    assert service.add_flow(large_group(0)).status == "added"
    settings = deployment.settings()
    for _ in range(3):
        deliver_outbox(service.store, settings.catalogue, "next")
    assert deployment.totals("work")["added"] == 200
    assert deployment.totals("next")["added"] == 1
    service.close()
