"""Priority, pause and slots under load."""

from __future__ import annotations

import time
from pathlib import Path

from callboard.ids import pack_id
from callboard.service import JobSpec
from tests.faults.conftest import StartWorker
from tests.support.deployment import Deployment
from tests.support.wait import wait_until


def test_a_critical_job_overtakes_ten_thousand(deployment: Deployment, start_worker: StartWorker) -> None:
    """It is the very next job that is fetched; only what was reserved before may start before it."""
    start_worker(deployment, threads=2)
    service = deployment.service()
    service.pause_queue("work")
    service.add_jobs("work", [JobSpec("work", {"ms": 2}, options={"priority": 7}) for _ in range(10_000)])
    service.resume_queue("work")
    wait_until(lambda: len(deployment.ledger.ids("end")) > 100, 20, "load")
    service.add_job("work", "work", id="critical", priority=1)
    wait_until(lambda: "critical" in deployment.ledger.ids("start"), 5, "the critical job to start")
    service.pause_queue("work")
    service.close()
    with deployment.client() as client:
        entries = [fields for _, fields in client.xrange(deployment.key("events"))]
    order = [(each[b"type"].decode(), each[b"ids"].decode().split(",")) for each in entries if b"ids" in each]
    added = next(i for i, (kind, ids) in enumerate(order) if kind == "added" and ids == [pack_id("critical")])
    fetched = next(ids for kind, ids in order[added:] if kind == "active")
    assert fetched[0] == "critical", f"fetched before it although it was there: {fetched[:3]}"
    before = {job for kind, ids in order[:added] if kind == "active" for job in ids} | set(fetched)
    starts = [line.id for line in deployment.ledger.lines("start")]
    early = starts[: starts.index("critical")]
    late = set(early) - before
    assert not late, f"started before it without having been reserved before: {late}"


def test_pause_stops_starts_within_a_second(deployment: Deployment, start_worker: StartWorker) -> None:
    for _ in range(2):
        start_worker(deployment, threads=4)
    service, ledger = deployment.service(), deployment.ledger
    service.add_jobs("work", [JobSpec("work", {"ms": 3}) for _ in range(4_000)])
    wait_until(lambda: len(ledger.ids("end")) > 200, 20, "load")
    service.pause_queue("work", "test")
    paused = time.monotonic()
    wait_until(lambda: not deployment.states()["active"], 10, "running jobs to finish")
    service.add_job("work", "work", id="meanwhile")
    wait_until(lambda: time.monotonic() > paused + 2, 5)
    late = [line for line in ledger.lines("start") if line.at > paused + 1]
    assert not late, f"{len(late)} jobs started more than a second after the pause"
    assert service.get_queue_stats("work").waiting > 0, "the pause came too late to show anything"
    service.resume_queue("work")
    wait_until(lambda: "meanwhile" in ledger.ids("end"), 30, "jobs to run again")
    service.close()


def test_a_short_job_never_waits_behind_a_long_one_while_another_process_idles(
    deployment: Deployment, start_worker: StartWorker, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    for _ in range(2):
        start_worker(deployment, threads=1)
    service, ledger = deployment.service(), deployment.ledger
    service.add_jobs("work", [JobSpec("work") for _ in range(400)])
    wait_until(lambda: deployment.pending() == 0, 20, "a rate at which workers reserve ahead")
    service.add_job("work", "gated", {"gate": str(gate)}, id="long")
    wait_until(lambda: "long" in ledger.ids("start"), 5, "the long job to run")
    slowest = 0.0
    for n in range(100):
        began = time.monotonic()
        service.add_job("work", "work", id=f"short-{n}")
        wait_until(lambda n=n: f"short-{n}" in ledger.ids("end"), 10, f"short job {n}")
        slowest = max(slowest, time.monotonic() - began)
    gate.touch()
    wait_until(lambda: "long" in ledger.ids("end"), 10, "the long job to end")
    print(f"slowest short job {slowest:.3f} s")
    assert slowest < 1, f"a short job took {slowest:.2f} s"
    service.close()
