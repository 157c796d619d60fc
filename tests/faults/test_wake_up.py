"""An idle worker hears of a new job at once, however its listening and the mark cross each other."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator

import pytest

from tests.faults.conftest import StartWorker
from tests.support.deployment import Deployment
from tests.support.wait import wait_until


@pytest.fixture
def many_switches() -> Iterator[None]:
    """Threads take turns far more often, so that what can cross does."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("many_switches")
def test_no_mark_is_missed_when_the_set_of_wanted_queues_changes(
    deployment: Deployment, start_worker: StartWorker, rng: random.Random
) -> None:
    start_worker(deployment, threads=2)
    service, ledger = deployment.service(), deployment.ledger
    slowest = 0.0
    for n in range(250):
        queue, actor = rng.choice([("work", "work"), ("next", "link")])
        began = time.monotonic()
        service.add_job(queue, actor, id=f"job-{n}")
        wait_until(lambda n=n: f"job-{n}" in ledger.ids("end"), 20, f"job {n} of {queue} to run")
        slowest = max(slowest, time.monotonic() - began)
    print(f"slowest pickup {slowest:.3f} s")
    assert slowest < 2, f"a job waited {slowest:.1f} s for an idle worker"
    service.close()
