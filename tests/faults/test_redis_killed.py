"""Redis is killed and comes back while jobs are added and run; its append-only file is flushed at every write."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from callboard.errors import StoreUnavailable
from tests.support.deployment import LEASE_S, Deployment
from tests.support.producer import Producer
from tests.support.redis_server import Server
from tests.support.verdict import assert_drained, judge
from tests.support.wait import last, wait_until
from tests.support.workers import WorkerTree


@pytest.mark.parametrize(
    "outages",
    [
        pytest.param([0.0, 0.4 * LEASE_S, 1.5 * LEASE_S], id="three"),
        pytest.param([0.0, 0.2, 0.8, 1.1, 2.5] * 4, id="twenty", marks=[pytest.mark.long, pytest.mark.timeout(900)]),
    ],
)
def test_nothing_acknowledged_is_lost_and_nobody_is_charged(
    server: Server, deployment: Deployment, tmp_path: Path, rng: random.Random, outages: list[float]
) -> None:
    ledger = deployment.ledger
    with (
        WorkerTree(deployment, tmp_path / "a.log") as one,
        WorkerTree(deployment, tmp_path / "b.log") as other,
    ):
        one.ready(), other.ready()
        pids = {one.worker_pid, other.worker_pid}
        # Some jobs last longer than any outage: they begin before it, and end during or after it.
        with Producer(deployment.service(), ledger, rng, ms=40, pause_s=0.03) as producer:
            for n, seconds in enumerate(outages):
                wait_until(lambda n=n: len(ledger.ids("end")) >= (n + 1) * 40, 60, "load before the next outage")
                _long_jobs(deployment, n)
                wait_until(lambda n=n: f"long-{n}-1" in ledger.ids("start"), 30, "the long jobs to run")
                server.kill()
                last(seconds)
                server.start()
            producer.stop()
        wait_until(lambda: deployment.pending() == 0, 60, lambda: f"drained: {deployment.states()}")
        assert one.running(), one.output
        assert other.running(), other.output
        assert {line.pid for line in ledger.lines("ready")} == pids, "a worker process was replaced"
    verdict = judge(deployment)
    assert_drained(deployment)
    assert verdict.stalled == 0, "Redis was away: that is nobody's stall"
    assert verdict.stale == 0, "a finish was refused after the outage"
    assert set(producer.errors) <= {StoreUnavailable}, producer.errors


def _long_jobs(deployment: Deployment, n: int) -> None:
    service = deployment.service()
    ids = [f"long-{n}-1", f"long-{n}-2"]
    deployment.ledger.note("attempted", ids)
    for job in ids:
        service.add_job("work", "work", {"ms": 1200}, id=job, priority=1)
    deployment.ledger.note("acknowledged", ids)
    service.close()
