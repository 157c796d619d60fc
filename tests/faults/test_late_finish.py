"""A finish that comes too late: refused, counted, and nothing of it is committed."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from dramatiq import pipeline

from callboard import CallboardBroker
from callboard.ids import pack_id
from callboard.verbs.leases import release_call
from tests.faults.conftest import StartWorker
from tests.support.deployment import Deployment
from tests.support.verdict import assert_drained
from tests.support.wait import last, wait_until
from tests.support.workers import WorkerTree


def test_a_worker_that_was_stopped_for_three_leases(deployment: Deployment, tmp_path: Path) -> None:
    deployment = replace(deployment, lease_s=1.0)
    ledger = deployment.ledger
    no_watchdog = {"CALLBOARD_GIL_WATCHDOG": "false"}
    with (
        WorkerTree(deployment, tmp_path / "a.log", threads=1, env=no_watchdog) as stopped,
        WorkerTree(deployment, tmp_path / "b.log", threads=1, env=no_watchdog) as other,
    ):
        stopped.ready(), other.ready()
        other.signal_worker(signal.SIGSTOP)
        service = deployment.service()
        service.add_job("work", "work", {"ms": 1500}, id="job")
        wait_until(lambda: deployment.held_by(stopped.worker_id), 10, "the first worker to have it")
        wait_until(lambda: "job" in ledger.ids("start"), 10, "it to start")
        stopped.signal_worker(signal.SIGSTOP)
        at = time.monotonic()
        other.signal_worker(signal.SIGCONT)
        wait_until(lambda: len(ledger.starts()["job"]) == 2, 10, "the job to run elsewhere")
        assert ledger.starts()["job"][1].pid == other.worker_pid
        last(max(0.0, at + 3 * deployment.lease_s - time.monotonic()))
        stopped.signal_worker(signal.SIGCONT)
        wait_until(lambda: deployment.totals().get("stale_finishes"), 20, "the late finish to be refused and counted")
        wait_until(lambda: deployment.pending() == 0, 20, "the job to end")
        record = deployment.records()["job"]
        service.close()
        assert stopped.running(), stopped.output
    assert record.worker.decode() == other.worker_id, "the run that holds the lease is committed"
    totals = deployment.totals()
    assert (totals["added"], totals["completed"], totals["stalled"], totals["stale_finishes"]) == (1, 1, 1, 1)
    assert record.attempts == 1


def run_twice(deployment: Deployment, broker: CallboardBroker, gate: Path) -> None:
    """While a job's first attempt runs its lease goes to a second one, which ends first."""
    ledger = deployment.ledger
    wait_until(lambda: len(ledger.lines("start")) == 1, 10, "the first attempt")
    (record,) = deployment.records().values()
    (job,) = deployment.states()["active"]
    released = broker.store.call(*release_call(broker.runtime.worker_id, "work", [(pack_id(job), record.number)]))
    assert released == b"1", "the lease of the first attempt is taken away"
    wait_until(
        lambda: len(deployment.states()["active"]) == 0 and len(ledger.lines("end")) >= 1,
        10,
        lambda: f"the second one: {deployment.states()} {ledger.lines()} {deployment.records()}",
    )
    gate.touch()
    wait_until(lambda: deployment.totals().get("stale_finishes") == 1, 10, "the first attempt's finish to be refused")
    wait_until(lambda: not deployment.pending("next"), 10, "the next link to run")
    assert_drained(deployment)
    assert_drained(deployment, "next")


@pytest.mark.parametrize("how", ["pipeline", "on_success", "on_retry_exhausted"])
def test_messages_are_committed_with_the_finish_that_counts(
    deployment: Deployment, start_worker: StartWorker, tmp_path: Path, how: str
) -> None:
    broker = start_worker(deployment, threads=2)
    gate, gated, link = tmp_path / "gate", broker.get_actor("gated"), broker.get_actor("link")
    if how == "pipeline":
        pipeline([gated.message(str(gate), fail=False), link.message()], broker=broker).run()
    elif how == "on_success":
        gated.send_with_options(args=(str(gate),), on_success="link")
    else:
        gated.send_with_options(args=(str(gate),), kwargs={"fail": True}, max_retries=0, on_retry_exhausted="link")
    run_twice(deployment, broker, gate)
    assert deployment.totals("next")["added"] == 1, "both attempts ended, one of them counts"
    assert len(deployment.ledger.lines("start")) == 3
    with deployment.client() as client:
        assert client.zcard(deployment.key("outbox")) == 0
