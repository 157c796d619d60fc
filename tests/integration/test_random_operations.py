"""Thousands of operations at random from two clients while a real worker runs: nothing lost, leaked or counted twice.

Two equations hold at every moment. A life of a job begins with its add, and again each time it is revived (retry,
retry_all); it ends once, or goes on::

    added + revived = completed + failed + cancelled + dropped + waiting + delayed + blocked + active

(dropped: removed, drained or cleaned before it ended). And what is there has been added and not taken away::

    records = added - removed - drained - cleaned
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from dramatiq.errors import RateLimitExceeded

from callboard.service import QueueService
from tests.support.app import QUICK, App
from tests.support.random_ops import QUEUE, Operator
from tests.support.snapshot import Snapshot, take_snapshot
from tests.support.wait import wait_until

#: Nothing is trimmed, so that the ledger can be compared with what is there.
QUEUES: dict[str, Any] = {
    QUEUE: {**QUICK, "fair": True, "keep_completed": 1_000_000, "keep_failed": 1_000_000, "max_stalls": 1}
}

#: What may be there when no job is left.
LASTING = {"meta", "totals", "events", "history", "calls", "tags", "wake"}


def declare(app: App) -> None:
    @app.actor(actor_name="work", queue_name=QUEUE, store_results=True)
    def work(how: str) -> str:
        job = app.current()
        if how == "fails" or (how == "fails at first" and job.attempt == 1):
            raise ValueError(how)
        if how == "defers" and job.attempt == 1 and random.random() < 0.5:
            raise RateLimitExceeded("later")
        if how == "slow":
            never = threading.Event()
            for _ in range(20):
                never.wait(0.01)
        return how


def check(app: App) -> Snapshot:
    """Both equations, and each job in one state."""
    found = take_snapshot(app.broker.store, QUEUE)
    found.check()
    totals = Counter(found.totals)
    taken = totals["removed"] + totals["drained"] + totals["cleaned"]
    assert len(found.records) == totals["added"] - taken, found.totals
    return found


def operate(make_app: Callable[..., App], count: int) -> None:
    seed = int(os.environ.get("RANDOM_OPERATIONS_SEED", random.SystemRandom().randrange(1_000_000)))
    print(f"RANDOM_OPERATIONS_SEED={seed} repeats the operations, though not what the worker does meanwhile")
    app = make_app(queues=QUEUES, beat_ms=100)
    declare(app)
    app.start(threads=4)
    wait_until(lambda: app.broker.store.call("actors", "")[1], 10, "the worker to publish its actors")
    ids: list[str] = []
    services = [QueueService(app.settings) for _ in range(2)]
    operators = [Operator(service, "ab"[i], seed + i, ids) for i, service in enumerate(services)]
    errors: list[BaseException] = []

    def run(operator: Operator) -> None:
        try:
            operator.run(count // 2, lambda: check(app) and None)
        except BaseException as error:  # noqa: BLE001 - raised again below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(operator,)) for operator in operators]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in errors:
        raise error
    settle(app, operators)
    for service in services:
        service.close()


def settle(app: App, operators: list[Operator]) -> None:
    """Let everything come to its end, compare the ledgers with the totals, take all away, and see what is left."""
    service = operators[0].service
    service.resume_queue(QUEUE)
    service.promote_all(QUEUE)
    app.drained(QUEUE)
    sums, totals = operators[0].sums + operators[1].sums, Counter(check(app).totals)
    answers = operators[0].answers + operators[1].answers
    for name in ("added", "revived", "drained", "cleaned"):
        assert totals[name] == sums[name], f"{name}: Redis counts {totals[name]}, the answers {sums[name]}; {answers}"
    assert sums["removed"] <= totals["removed"] <= sums["removed"] + sums["told to go"]
    for name in ("completed", "failed", "cancelled", "retried", "dropped"):
        assert totals[name], f"no job was {name}: the operations are too few or too tame; {answers}"

    for state in ("completed", "failed", "cancelled"):
        while service.clean_queue(QUEUE, state, 0)[1]:
            pass
    found = check(app)
    assert found.records == {}
    left = {name for name, rows in found.keys.items() if rows}
    assert left <= LASTING, f"left behind: {left - LASTING}"
    app.stop_worker()
    service.obliterate_queue(QUEUE)
    found = take_snapshot(app.broker.store, QUEUE)
    left = {name for name, rows in found.keys.items() if rows}
    assert left <= {"meta"}, f"left behind by obliterate: {left}"


@pytest.mark.parametrize("operations", [3_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_random_operations(make_app: Callable[..., App], operations: int) -> None:
    operate(make_app, operations)
