"""What is stored cannot be run: the job fails with the reason and the worker lives."""

from __future__ import annotations

import pytest

from tests.faults.conftest import StartWorker
from tests.support.deployment import Deployment
from tests.support.wait import wait_until


@pytest.mark.parametrize(
    ("damage", "reason"),
    [("garbage", "cannot be decoded"), ("gone", "the stored message"), ("no actor", "actor 'gone_actor'")],
)
def test_a_job_that_cannot_run_fails_with_the_reason(
    deployment: Deployment, start_worker: StartWorker, damage: str, reason: str
) -> None:
    start_worker(deployment, threads=1)
    deployment.publish("gone_actor")
    service = deployment.service()
    service.pause_queue("work")
    service.add_job("work", "gone_actor" if damage == "no actor" else "work", id="bad")
    service.add_job("work", "work", id="good")
    with deployment.client() as client:
        if damage == "garbage":
            client.hset(deployment.key("payload"), "bad", b"\xc1 not a message")
        elif damage == "gone":
            client.hdel(deployment.key("payload"), "bad")
    service.resume_queue("work")
    wait_until(lambda: deployment.pending() == 0, 20, lambda: f"drained: {deployment.states()}")
    states = deployment.states()
    assert (states["failed"], states["completed"]) == (["bad"], ["good"])
    assert reason in service.get_job("work", "bad").reason
    assert deployment.ledger.ids("start") == {"good"}
    service.add_job("work", "work", id="later")
    wait_until(lambda: "later" in deployment.states()["completed"], 10, "the worker to live")
    service.close()
