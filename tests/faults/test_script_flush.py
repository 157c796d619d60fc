"""Redis forgets the scripts (SCRIPT FLUSH, a failover, a cold start): nobody notices."""

from __future__ import annotations

import random

from callboard.verbs.cycle import CycleReply, CycleRequest, Finish, cycle_call, cycle_reply, policy
from tests.faults.conftest import StartWorker
from tests.support.deployment import Deployment
from tests.support.producer import Producer
from tests.support.verdict import assert_drained, judge
from tests.support.wait import wait_until


def test_scripts_are_flushed_under_load(deployment: Deployment, start_worker: StartWorker, rng: random.Random) -> None:
    brokers = [start_worker(deployment), start_worker(deployment)]
    with Producer(deployment.service(), deployment.ledger, rng, ms=2) as producer, deployment.client() as client:
        for n in range(150):
            wait_until(
                lambda n=n: len(deployment.ledger.ids("end")) > 3 * n,
                30,
                lambda: f"load between two flushes: {deployment.totals()}, the producer met {producer.failure}",
            )
            client.script_flush()
        producer.stop()
    wait_until(lambda: deployment.pending() == 0, 30, lambda: f"drained: {deployment.states()}")
    verdict = judge(deployment)
    assert_drained(deployment)
    assert not producer.errors, producer.errors
    assert verdict.unknown == verdict.duplicates == verdict.stalled == verdict.stale == 0
    assert all(broker.runtime.pump.connected.is_set() for broker in brokers)


def test_a_finish_that_met_noscript_and_was_overtaken_is_committed(deployment: Deployment) -> None:
    """Two cycles of one queue in one round trip: the first finds no script, another process loads it, the second
    runs. The first is sent again with a number that is lower than the last one that Redis saw."""
    start = deployment.service()
    spec, worker = deployment.settings().catalogue["work"], "w" * 12
    deployment.publish("work")
    for job in ("one", "two"):
        start.add_job("work", "work", id=job)

    def cycle(number: int, finishes: list[Finish], at_once: int = 0) -> CycleReply:
        request = CycleRequest("work", number, finishes, at_once=at_once)
        return cycle_reply(start.store.call(*cycle_call(worker, request, policy(spec, start.settings))))

    assert len(cycle(1, [], at_once=2).jobs) == 6
    assert cycle(3, [("two", 1, "c", 0, None)]).codes == b"1"
    assert cycle(2, [("one", 1, "c", 0, None)]).codes == b"1", "it was overtaken, not repeated"
    assert cycle(3, [("two", 1, "c", 0, None)]).codes == b"1", "a resend gets the first answer"
    cycle(2, [("one", 1, "c", 0, None)])
    assert deployment.totals() == {"added": 2, "completed": 2}, "a resend is neither counted nor stale"
    start.close()
