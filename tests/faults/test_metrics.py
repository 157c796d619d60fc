"""What worker processes count when they are killed, stopped and cut off: no gauge below zero, nothing counted twice."""

from __future__ import annotations

import random
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from callboard import QueueService
from callboard.verbs import fleet
from tests.support.deployment import Deployment
from tests.support.metrics_page import Page, fetched
from tests.support.producer import Producer
from tests.support.proxy import AFTER, Proxy
from tests.support.verdict import assert_drained
from tests.support.wait import wait_until
from tests.support.workers import Fleet, WorkerTree

RUNS = "callboard_attempts_in_progress"


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """Its workers are scraped, and tell nothing by dying of it."""
    return replace(deployment, options={"metrics": True, "metrics_port": 0})


def page_of(service: QueueService, tree: WorkerTree) -> Page:
    """The page of a worker that answers; nothing on it may be below zero."""

    def look() -> str:
        found = {record.id: record.metrics_address for record in fleet.workers(service.store)}
        return found.get(tree.worker_id, "")

    page = fetched(wait_until(look, 10, "the worker's record to have its address"))
    assert page.negatives() == []
    return page


def success(page: Page) -> tuple[float, float]:
    """Jobs that were to succeed, and did."""
    return (
        page.value("callboard_slo_eligible_total", slo="success"),
        page.value("callboard_slo_met_total", slo="success"),
    )


def test_a_killed_worker_takes_its_counts_along_and_the_next_begins_at_zero(
    deployment: Deployment, tmp_path: Path
) -> None:
    service, gate = deployment.service(), tmp_path / "gate"
    deployment = replace(deployment, lease_s=1.0)
    with WorkerTree(deployment, tmp_path / "a.log") as tree:
        tree.ready()
        jobs = [service.add_job("work", "gated", {"gate": str(gate)}).id for _ in range(3)]
        wait_until(lambda: page_of(service, tree).value(RUNS, actor="gated") == 3, 10, "all to run")
        # The page has them a moment before the actors write their starts down.
        wait_until(lambda: set(deployment.ledger.starts()) == set(jobs), 10, "all to have noted their start")
        assert len(tree.kill().in_flight) == 3
    with WorkerTree(deployment, tmp_path / "b.log") as tree:
        tree.ready()
        wait_until(lambda: deployment.pending() == 0, 20, "the jobs to run again")
        wait_until(lambda: success(page_of(service, tree)) == (3, 3), 10, "their ends to be counted")
        page = page_of(service, tree)
    service.close()
    assert page.value("callboard_attempts_total", actor="gated") == len(jobs)
    assert page.value(RUNS) == 0
    assert page.value("callboard_slo_eligible_total", slo="wait") == 0, "they had started for the first time before"
    assert page.value("callboard_queue_wait_seconds_count") == 0
    assert deployment.totals()["completed"] == len(jobs)


@pytest.mark.parametrize("late", ["running", "ended"])
def test_of_two_ends_of_a_job_only_the_one_that_redis_took_counts(
    deployment: Deployment, tmp_path: Path, late: str
) -> None:
    """The first worker is stopped for longer than its lease: while its attempt runs, or as it is about to end."""
    deployment = replace(deployment, lease_s=1.0)
    ledger, service = deployment.ledger, deployment.service()
    no_watchdog = {"CALLBOARD_GIL_WATCHDOG": "false"}
    with (
        WorkerTree(deployment, tmp_path / "a.log", threads=1, env=no_watchdog) as stopped,
        WorkerTree(deployment, tmp_path / "b.log", threads=1, env=no_watchdog) as other,
    ):
        stopped.ready(), other.ready()
        other.signal_worker(signal.SIGSTOP)
        actor, ms = ("steps", 2_000) if late == "running" else ("work", 300)
        service.add_job("work", actor, {"ms": ms}, id="job")
        wait_until(lambda: "job" in ledger.ids("start"), 10, "it to start")
        stopped.signal_worker(signal.SIGSTOP)
        other.signal_worker(signal.SIGCONT)
        wait_until(lambda: len(ledger.starts()["job"]) == 2, 10, "the job to run elsewhere")
        if late == "ended":
            wait_until(lambda: deployment.totals().get("completed") == 1, 10, "the job to complete there")
        stopped.signal_worker(signal.SIGCONT)
        wait_until(lambda: deployment.totals().get("stale_finishes", 0) >= 1, 20, "the late finish to be refused")
        wait_until(lambda: deployment.totals().get("completed") == 1, 20, "the job to complete")

        # On a machine that halts, the second lease may run out as well and the first worker end the job after all:
        # whoever ended it, it is counted by him alone.
        def pages() -> list[Page]:
            return [page_of(service, tree) for tree in (stopped, other)]

        def counted() -> list[tuple[float, float]]:
            return sorted(success(page) for page in pages())

        wait_until(lambda: counted() == [(0, 0), (1, 1)], 10, lambda: f"its end to be counted once: {counted()}")
        wait_until(lambda: not any(page.value(RUNS) for page in pages()), 10, "nothing to run any more")
        seen = pages()
    service.close()
    assert sorted(page.value("callboard_attempts_total") for page in seen) == [0, 1]
    for name in ("callboard_attempt_failures_total", "callboard_retries_total", "callboard_shutdown_requeued_total"):
        assert [page.value(name) for page in seen] == [0, 0], name


def test_a_finish_whose_reply_was_lost_is_counted_once(deployment: Deployment, proxy: Proxy, tmp_path: Path) -> None:
    service, gate = deployment.service(), tmp_path / "gate"
    with WorkerTree(deployment, tmp_path / "a.log", url=proxy.url) as tree:
        tree.ready()
        service.add_job("work", "gated", {"gate": str(gate)})
        wait_until(lambda: page_of(service, tree).value(RUNS) == 1, 10, "it to run")
        rule = proxy.strike("cycle", AFTER, when=lambda words: words[-3] != b"")
        gate.touch()
        wait_until(lambda: rule.struck, 10, "the reply to the finish to be lost")
        wait_until(lambda: success(page_of(service, tree)) == (1, 1), 20, "the finish to be sent again and counted")
        page = page_of(service, tree)
    service.close()
    assert page.value("callboard_attempts_total") == page.value("callboard_run_duration_seconds_count") == 1
    assert page.value(RUNS) == 0


def test_the_counts_of_all_workers_are_those_of_redis(
    deployment: Deployment, tmp_path: Path, rng: random.Random
) -> None:
    """While no process dies nothing is lost: what the workers counted and what Redis counted is the same."""
    with Fleet(deployment, tmp_path, 2) as fleet_:
        service = deployment.service()
        with Producer(deployment.service(), deployment.ledger, rng, ms=5, pause_s=0.005) as producer:
            wait_until(lambda: len(deployment.ledger.ids("end")) >= 150, 60, "some load")
            producer.stop()
        for _ in range(30):
            service.add_job("work", "flaky", {"failures": rng.randrange(4)})
        wait_until(lambda: deployment.pending() == 0, 60, lambda: f"drained: {deployment.states()}")
        totals = deployment.totals()

        def pages() -> list[Page]:
            return [page_of(service, tree) for tree in fleet_.trees]

        def counted(name: str, **labels: str) -> float:
            return sum(page.value(name, queue="work", **labels) for page in pages())

        ended = totals["completed"] + totals.get("failed", 0)
        wait_until(lambda: counted("callboard_job_attempts_count") == ended, 10, "all ends to be counted")
        assert counted("callboard_slo_met_total", slo="success") == totals["completed"]
        assert counted("callboard_slo_eligible_total", slo="success") == ended
        assert counted("callboard_slo_eligible_total", slo="wait") == ended
        assert counted("callboard_retries_total") == totals["retried"]
        assert counted("callboard_attempts_total") == ended + totals["retried"]
        assert counted("callboard_attempt_failures_total", exception="Flaky") == totals["retried"] + totals["failed"]
        assert counted(RUNS) == 0
        service.close()
    assert_drained(deployment)
