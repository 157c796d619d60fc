"""The connection breaks around a script: before it ran, after it ran, for good, or so that the call arrives late.

Leases are long here (30 s): whatever had to wait for a lease to run out would be late, and the tests say so.
"""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from callboard import QueueService
from callboard.errors import StoreUnavailable
from callboard.service import JobSpec
from tests.faults.conftest import StartWorker
from tests.support.deployment import Deployment
from tests.support.proxy import AFTER, BEFORE, HOLE, LATE, Proxy
from tests.support.verdict import assert_drained, judge
from tests.support.wait import wait_until

#: What a call may meet. In a black hole it waits for the socket's timeout, which is short here.
FAULTS = [BEFORE, AFTER, HOLE, LATE]
QUICK = {"socket_timeout_s": 0.5, "connect_timeout_s": 0.5}


@pytest.fixture
def long_leases(deployment: Deployment) -> Deployment:
    """Leases of 30 seconds, and ``work`` known."""
    deployment = replace(deployment, lease_s=30.0)
    deployment.publish("work")
    return deployment


def add(deployment: Deployment, service: QueueService, n: int, name: str = "job", **payload: object) -> list[str]:
    ids = [f"{name}-{i}" for i in range(n)]
    deployment.ledger.note("attempted", ids)
    results = service.add_jobs("work", [JobSpec("work", payload, id=each) for each in ids])
    deployment.ledger.note("acknowledged", [each.id for each in results if each.status == "added"])
    return ids


def assert_each_ran_once(deployment: Deployment) -> None:
    verdict = judge(deployment)
    assert_drained(deployment)
    assert verdict.duplicates == 0, "a job was started twice"
    assert verdict.stalled == 0, "a job was charged a stall"
    assert verdict.stale == 0, "a finish was refused"
    assert len(deployment.states()["completed"]) == verdict.acknowledged


@pytest.mark.parametrize("fault", FAULTS)
def test_an_add_whose_reply_is_lost_adds_once(long_leases: Deployment, proxy: Proxy, fault: str) -> None:
    service = long_leases.service(proxy.url, **QUICK)
    for n in range(5):
        rule = proxy.strike("add", fault)
        assert service.add_job("work", "work", id=f"one-{n}").status == "added"
        rules = [rule, proxy.strike("add", fault)]
        results = service.add_jobs("work", [JobSpec("work", id=f"many-{n}-{i}") for i in range(10)])
        assert [each.status for each in results] == ["added"] * 10, "a resend gets the first answer"
        assert [each.struck for each in rules] == [1, 1], "the proxy struck both calls"
        for each in rules:
            proxy.deliver_late(each)
    assert long_leases.totals()["added"] == 55
    assert len(long_leases.states()["waiting"]) == 55
    service.close()


def test_an_add_without_any_answer_is_unknown_and_lands_at_most_once(long_leases: Deployment, proxy: Proxy) -> None:
    service = long_leases.service(proxy.url, add_timeout_s=0.5, **QUICK)
    service.add_job("work", "work", id="before")
    rule = proxy.strike("add", LATE, times=1000)
    with pytest.raises(StoreUnavailable):
        service.add_job("work", "work", id="unknown")
    assert rule.struck >= 2, "it was sent again within its time"
    rule.times = rule.struck
    service.add_job("work", "work", id="after")
    proxy.deliver_late(rule)
    assert sorted(long_leases.states()["waiting"]) == ["after", "before"], (
        "what arrives after a later call of the same caller is not added any more"
    )
    assert service.add_job("work", "work", id="unknown").status == "added"
    service.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cycle_whose_reply_is_lost(
    long_leases: Deployment, proxy: Proxy, start_worker: StartWorker, rng: random.Random, fault: str
) -> None:
    """No finish is lost or counted twice, and what the lost reply had fetched runs at once, on no lease's account."""
    # Only calls that ask for jobs or bring finishes: ARGV[3], ARGV[4] and ARGV[7] of cycle.lua, after 21 keys.
    busy = lambda words: words[26:28] != [b"0", b"0"] or words[30] != b""  # noqa: E731
    rules = []
    start_worker(long_leases, proxy.url, **QUICK)
    service = long_leases.service()
    for n in range(4):
        rules.append(proxy.strike("cycle", fault, passing=rng.randint(0, 6), when=busy))
        add(long_leases, service, 60, f"round-{n}", ms=2)
        wait_until(lambda: long_leases.pending() == 0, 15, lambda: f"drained: {long_leases.states()}")
        if fault == LATE:
            proxy.deliver_late(rules[-1])
            wait_until(lambda: long_leases.pending() == 0, 15, lambda: f"nothing leaked: {long_leases.states()}")
    assert sum(each.struck for each in rules) >= 2, "the proxy struck"
    assert_each_ran_once(long_leases)
    service.close()


@pytest.mark.parametrize("fault", [BEFORE, AFTER, HOLE])
def test_an_extend_that_fails_is_tried_again_in_time(
    deployment: Deployment, proxy: Proxy, start_worker: StartWorker, fault: str
) -> None:
    start_worker(deployment, proxy.url, **QUICK)
    rule = proxy.strike("extend", fault, times=1)
    service = deployment.service()
    add(deployment, service, 3, ms=6000)
    wait_until(lambda: deployment.pending() == 0, 20, lambda: f"drained: {deployment.states()}")
    assert rule.struck == 1
    assert_each_ran_once(deployment)
    service.close()


@pytest.mark.parametrize("fault", [BEFORE, AFTER, HOLE])
def test_a_release_that_fails_costs_the_job_nothing(
    deployment: Deployment, proxy: Proxy, start_worker: StartWorker, fault: str
) -> None:
    """What was reserved and could not be given back goes back when its lease runs out, uncharged."""
    start_worker(deployment, proxy.url, threads=2, reserve_ms=500, **QUICK)
    service = deployment.service()
    rule = proxy.strike("release", fault)
    service.pause_queue("work")
    add(deployment, service, 400, "quick", ms=0)
    add(deployment, service, 4, "long", ms=700)
    add(deployment, service, 20, "last", ms=0)
    service.resume_queue("work")
    wait_until(lambda: deployment.pending() == 0, 30, lambda: f"drained: {deployment.states()}")
    assert rule.struck == 1, "jobs were reserved behind the long ones and given back"
    assert_each_ran_once(deployment)
    service.close()


def test_a_fetch_that_reaches_redis_after_its_worker_gave_up_takes_nothing(
    long_leases: Deployment, proxy: Proxy, start_worker: StartWorker
) -> None:
    """Otherwise jobs would be active for a worker that does not know of them, and be charged a stall."""
    start_worker(long_leases, proxy.url, threads=2, **QUICK)
    service = long_leases.service()
    rule = proxy.strike("cycle", LATE, when=lambda words: words[26] != b"0")
    add(long_leases, service, 2, "first", ms=1000)
    wait_until(lambda: len(long_leases.ledger.starts()) == 2, 15, "the first jobs to run in spite of the fault")
    assert rule.struck == 1
    add(long_leases, service, 5, "second", ms=1)
    proxy.deliver_late(rule)
    wait_until(lambda: long_leases.pending() == 0, 15, lambda: f"nothing leaked: {long_leases.states()}")
    assert_each_ran_once(long_leases)
    service.close()
