"""A real worker process, scraped: every way in which a job can end, and the port it is scraped on."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from callboard import QueueService
from callboard.ids import new_id
from callboard.verbs import fleet
from tests.support.deployment import Deployment
from tests.support.ledger import Ledger
from tests.support.metrics_page import Page, fetched
from tests.support.redis_server import Server, valkey_binary
from tests.support.wait import wait_until
from tests.support.workers import WorkerTree

APP = "tests.support.metrics_app"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(valkey_binary(), tmp_path / "redis") as server:
        yield server


def deployed(server: Server, folder: Path, **options: Any) -> Deployment:
    return Deployment(server.url, Ledger(folder / "ledger"), options={"metrics": True, "metrics_port": 0, **options})


def addresses(service: QueueService, *trees: WorkerTree) -> list[str]:
    """Where the records of these trees' workers say that they are scraped."""

    def look() -> list[str]:
        found = {record.id: record.metrics_address for record in fleet.workers(service.store)}
        told = [found.get(tree.worker_id, "") for tree in trees]
        return told if all(told) else []

    return wait_until(look, 10, "every worker's record to have an address")


class Watched:
    """A worker process, its producer, and what it counted since the test began."""

    def __init__(self, deployment: Deployment, tree: WorkerTree, folder: Path) -> None:
        self.deployment = deployment
        self.tree = tree
        self.service = deployment.service()
        (self.address,) = addresses(self.service, tree)
        self._folder = folder
        self._before = self.page()

    def page(self) -> Page:
        """The page as it is now."""
        page = fetched(self.address)
        assert page.negatives() == []
        return page

    def begin(self) -> None:
        """Count from now on."""
        self._before = self.page()

    def add(self, actor: str, payload: dict[str, Any] | None = None, **options: Any) -> str:
        """Add a job. Returns: its id."""
        return self.service.add_job("work", actor, payload or {}, **options).id

    def gate(self) -> Path:
        """A file that is not there yet."""
        return self._folder / new_id()

    def since(self, name: str, **labels: str) -> float:
        """How much a counter has grown."""
        before, now = (sum(each.value for each in page.samples(name, **labels)) for page in (self._before, self.page()))
        return now - before

    def grows(self, name: str, by: float = 1, **labels: str) -> None:
        """Wait until a counter has grown by so much, and no more."""

        def look() -> bool:
            grown = self.since(name, **labels)
            assert grown <= by, f"{name} {labels} grew by {grown}, not {by}"
            return grown == by

        wait_until(look, 20, lambda: f"{name} {labels} to grow by {by}; it grew by {self.since(name, **labels)}")

    def slo(self, slo: str) -> tuple[float, float]:
        """Jobs that an objective was about, and those that met it."""
        names = ("callboard_slo_eligible_total", "callboard_slo_met_total")
        eligible, met = (self.since(name, queue="work", slo=slo) for name in names)
        return eligible, met

    def attempts(self, actor: str) -> float:
        """Attempts of an actor; each has a run time."""
        attempts = self.since("callboard_attempts_total", actor=actor)
        assert self.since("callboard_run_duration_seconds_count", actor=actor) == attempts
        return attempts

    def close(self) -> None:
        """End the producer."""
        self.service.close()


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("worker")
    with Server(valkey_binary(), folder / "redis") as server:
        deployment = deployed(server, folder)
        with WorkerTree(deployment, folder / "log", app=APP) as tree:
            watched = Watched(deployment, tree.ready(), folder)
            yield watched
            watched.close()


@pytest.fixture
def watched(worker: Watched) -> Watched:
    worker.begin()
    return worker


@pytest.mark.parametrize("actor", ["done", "done_async"])
def test_a_completed_job(watched: Watched, actor: str) -> None:
    job = watched.add(actor)
    watched.grows("callboard_job_attempts_count", queue="work")
    assert watched.attempts(actor) == 1
    assert watched.slo("success") == watched.slo("wait") == (1, 1)
    named = [e.labels["job_id"] for e in watched.page().exemplars("callboard_run_duration_seconds_bucket", actor=actor)]
    assert named == [job]


def test_a_job_that_fails_for_good(watched: Watched) -> None:
    watched.add("refuses")
    watched.grows("callboard_attempt_failures_total", actor="refuses", exception="PermanentError")
    assert watched.attempts("refuses") == 1
    assert watched.since("callboard_retries_total") == 0
    assert watched.slo("success") == (1, 0)
    assert watched.slo("wait") == (1, 1)


def test_a_job_that_is_retried_twice(watched: Watched) -> None:
    watched.add("third_time")
    watched.grows("callboard_job_attempts_sum", by=3, queue="work")
    assert watched.attempts("third_time") == 3
    assert watched.since("callboard_retries_total", actor="third_time") == 2
    assert watched.since("callboard_attempt_failures_total", actor="third_time") == 2
    assert watched.since("callboard_attempt_failures_total", actor="third_time", exception="Refused") == 2
    assert watched.slo("success") == watched.slo("wait") == (1, 1)
    assert watched.since("callboard_queue_wait_seconds_count", queue="work") == 3


def test_a_job_beyond_its_time_limit(watched: Watched) -> None:
    watched.add("too_slow")
    watched.grows("callboard_attempt_failures_total", actor="too_slow", exception="TimeLimitExceeded")
    assert watched.since("callboard_run_duration_seconds_sum", actor="too_slow") >= 0.1


def test_a_return_value_that_cannot_be_kept(watched: Watched) -> None:
    watched.add("returns_too_much")
    watched.grows("callboard_attempt_failures_total", actor="returns_too_much", exception="ResultTooLarge")
    assert watched.slo("success") == (1, 0)


def test_a_deferred_job(watched: Watched) -> None:
    watched.add("defers")
    watched.grows("callboard_job_attempts_sum", queue="work")
    assert watched.since("callboard_deferred_total", queue="work", reason="other") == 1
    assert watched.attempts("defers") == 2
    assert watched.since("callboard_retries_total") == 0
    assert watched.slo("success") == watched.slo("wait") == (1, 1), "its second start is not its first"


def test_a_skipped_job(watched: Watched) -> None:
    watched.add("skipped")
    watched.grows("callboard_slo_met_total", queue="work", slo="success")
    assert watched.attempts("skipped") == 0
    assert watched.slo("wait") == (0, 0)
    assert watched.page().value("callboard_attempts_in_progress") == 0


def test_a_job_that_is_too_old(watched: Watched) -> None:
    watched.add("aged", delay=0.05, max_age=1)
    watched.grows("callboard_slo_eligible_total", queue="work", slo="success")
    assert watched.slo("success") == (1, 0)
    assert watched.attempts("aged") == 0
    assert watched.since("callboard_attempt_failures_total") == 0
    assert watched.slo("wait") == (0, 0)
    assert watched.page().value("callboard_attempts_in_progress") == 0


def test_a_job_that_is_cancelled_while_it_runs(watched: Watched) -> None:
    job = watched.add("stays", {"gate": str(watched.gate())})
    wait_until(lambda: watched.page().value("callboard_attempts_in_progress", actor="stays") == 1, 10, "it to run")
    assert watched.slo("wait") == (1, 1), "its wait is known as soon as it runs"
    watched.service.cancel_job("work", job, reason="enough")
    watched.grows("callboard_attempts_total", actor="stays")
    assert watched.page().value("callboard_attempts_in_progress", actor="stays") == 0
    assert watched.slo("success") == (0, 0)
    assert watched.slo("wait") == (1, 1), "and is not counted again at its end"
    assert watched.since("callboard_attempt_failures_total") == 0


def test_many_jobs_are_each_counted_once(watched: Watched) -> None:
    for _ in range(300):
        watched.add("done")
    watched.grows("callboard_attempts_total", by=300, actor="done")
    assert watched.slo("success") == watched.slo("wait") == (300, 300)
    assert watched.since("callboard_finish_batch_size_sum") == 300
    assert watched.since("callboard_redis_call_seconds_count", verb="cycle") >= 2


def test_the_plain_format_is_read_as_well(worker: Watched) -> None:
    page = fetched(worker.address, accept="")
    assert page.content_type.startswith("text/plain")
    assert page.value("callboard_build_info", component="worker") == 1
    assert page.value("process_resident_memory_bytes") > 1 << 20
    assert [s for f in page.families.values() for s in f.samples if s.name.endswith("_created")] == []


def test_what_a_shutdown_interrupts_is_told_while_the_rest_finishes(server: Server, tmp_path: Path) -> None:
    deployment = deployed(server, tmp_path)
    ledger = deployment.ledger
    with WorkerTree(deployment, tmp_path / "log", threads=2, app=APP) as tree:
        watched = Watched(deployment, tree.ready(), tmp_path)
        gate = watched.gate()
        for actor in ("stays", "asks"):
            watched.add(actor, {"gate": str(gate)})
        wait_until(lambda: len(ledger.lines("start")) == 2, 10, "both to run")
        tree.signal_leader(signal.SIGTERM)
        watched.grows("callboard_shutdown_requeued_total", queue="work")
        page = watched.page()
        assert page.by("callboard_attempts_in_progress", "actor") == {"stays": 1}, "the other has gone back"
        assert watched.attempts("asks") == 0
        assert watched.slo("success") == (0, 0)
        gate.touch()
        wait_until(lambda: deployment.states()["completed"], 10, "the other to complete")
        assert len(deployment.states()["waiting"]) == 1
        watched.close()


def test_two_workers_share_a_range_of_ports_and_say_which_they_have(server: Server, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first = taken.getsockname()[1]
        deployment = deployed(server, tmp_path, metrics_port=first, metrics_advertise="localhost")
        with (
            WorkerTree(deployment, tmp_path / "a.log", app=APP) as one,
            WorkerTree(deployment, tmp_path / "b.log", app=APP) as two,
            closing(deployment.service()) as service,
        ):
            found = addresses(service, one.ready(), two.ready())
            assert all(address.startswith("localhost:") for address in found), "the advertised host"
            ports = {int(address.rpartition(":")[2]) for address in found}
            assert len(ports) == 2
            assert all(first < port < first + 100 for port in ports)
            assert all(fetched(address).value("callboard_build_info") == 1 for address in found)


def test_a_worker_without_a_port_works_on_and_says_so(server: Server, tmp_path: Path) -> None:
    deployment = deployed(server, tmp_path, metrics_host="192.0.2.1", metrics_port=9180)
    with WorkerTree(deployment, tmp_path / "log", app=APP) as tree, closing(deployment.service()) as service:
        tree.ready()
        service.add_job("work", "done", {})
        wait_until(lambda: deployment.pending() == 0, 10, "the job to run")
        (record,) = [each for each in fleet.workers(service.store) if each.id == tree.worker_id]
        assert record.metrics_address == ""
        said = "metrics are not served: 192.0.2.1:9180"
        wait_until(lambda: said in tree.output, 10, lambda: f"the log to say so; it says {tree.output}")


def test_a_worker_may_serve_the_state_of_the_queues_as_well(server: Server, tmp_path: Path) -> None:
    deployment = deployed(server, tmp_path, exporter="worker")
    with WorkerTree(deployment, tmp_path / "log", app=APP) as tree, closing(deployment.service()) as service:
        (address,) = addresses(service, tree.ready())
        page = fetched(address)  # no family is there twice
    assert page.value("callboard_queue_jobs", queue="work", state="failed") >= 0
    assert page.value("callboard_attempts_total", queue="work") == 0
    assert page.value("callboard_build_info", component="worker") == 1
