"""The page of a worker process: its text in both formats, its exemplars, and how many series it has."""

from __future__ import annotations

import pytest
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from callboard.catalogue import Catalogue, QueueSpec, default_queues
from callboard.worker.job import Job
from middleware.metrics import families
from middleware.metrics.collector import registry_of
from middleware.metrics.exceptions import Allowed
from middleware.metrics.families import FAMILIES, WorkerFamily
from middleware.metrics.tally import Tally
from tests.support.jobs import make_job
from tests.support.metrics_page import OPENMETRICS, Page, page

CATALOGUE = Catalogue(default_queues())
EMAILS = CATALOGUE["email-notifications"]
PAIRS = [(EMAILS.name, "send"), *((name, f"canary.{name}") for name in CATALOGUE)]


def new_tally() -> Tally:
    return Tally(CATALOGUE, PAIRS, Allowed([]), 50)


def job(*, id: str = "job-1", started: float = 100.0, ended: bool = False) -> Job:
    made = make_job(EMAILS, "send", id=id)
    made.started, made.ended, made.guarded, made.reserved_until = started, ended, bool(started), 100.05
    return made


def pages(tally: Tally, held: dict[str, list[Job]] | None = None) -> dict[str, Page]:
    """The page as each format has it."""
    registry = registry_of(tally, lambda: held or {})
    found = {}
    for accept, parse in (("", plain), (OPENMETRICS, openmetrics)):
        encode, kind = choose_encoder(accept)
        text = encode(registry).decode()
        assert "_created" not in text
        found["openmetrics" if accept else "plain"] = page(parse(text), kind, len(text))
    return found


@pytest.mark.parametrize("form", ["plain", "openmetrics"])
def test_every_family_is_there_as_its_table_says(form: str) -> None:
    found = pages(new_tally())[form].families
    for family in FAMILIES:
        kind = "gauge" if (family.kind, form) == ("info", "plain") else family.kind
        shown = found.get(family.name) or found[family.exposed]
        assert shown.type == kind
        assert shown.documentation == family.help
        for sample in shown.samples:
            assert set(sample.labels) - {"le"} == set(family.labels)
            assert not set(sample.labels) & {"job", "instance", "type"}, "labels that Prometheus sets itself"


def test_the_names_are_those_of_the_contract() -> None:
    assert {family.exposed for family in FAMILIES} == {
        "callboard_attempts_total", "callboard_attempt_failures_total", "callboard_retries_total",
        "callboard_attempts_in_progress", "callboard_queue_wait_seconds", "callboard_run_duration_seconds",
        "callboard_job_attempts", "callboard_slo_eligible_total", "callboard_slo_met_total", "callboard_deferred_total",
        "callboard_shutdown_requeued_total", "callboard_finish_batch_size", "callboard_redis_call_seconds",
        "callboard_build_info",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "process_resident_memory_bytes", "process_start_time_seconds", "process_cpu_seconds_total", "python_info",
        "python_gc_collections_total",
    ],
)  # fmt: skip
def test_the_process_is_told_of_as_well(name: str) -> None:
    assert pages(new_tally())["plain"].value(name) > 0


def test_which_version_runs_is_left_to_the_queues_collector_where_both_are_served() -> None:
    registry = registry_of(new_tally(), dict, build=False)
    assert "callboard_build" not in {family.name for family in registry.collect()}


def test_what_runs_is_looked_at() -> None:
    held = {EMAILS.name: [job(), job(), job(ended=True), job(started=0.0)]}
    running = pages(new_tally(), held)["plain"]
    assert running.by("callboard_attempts_in_progress", "actor") == {"send": 2}
    assert pages(new_tally())["plain"].value("callboard_attempts_in_progress") == 0


def test_buckets_add_up_and_end_with_infinity() -> None:
    tally = new_tally()
    ends = []
    for ms in (1, 20, 5_000_000):
        each = job()
        ends.append(((each.stored_id, each.number, "c", ms, None), each))
    tally.ended(EMAILS.name, ends, 3)
    shown = pages(tally)["plain"]
    buckets = shown.samples("callboard_run_duration_seconds_bucket", actor="send")
    numbers = {s.labels["le"]: s.value for s in buckets}
    assert list(numbers.values()) == sorted(numbers.values())
    assert (numbers["0.005"], numbers["0.025"], numbers["3600.0"], numbers["+Inf"]) == (1, 2, 2, 3)
    assert shown.value("callboard_run_duration_seconds_count", actor="send") == 3
    assert shown.value("callboard_run_duration_seconds_sum", actor="send") == pytest.approx(5000.021)


def test_exemplars_are_for_who_can_read_them() -> None:
    tally = new_tally()
    long = "x" * 128
    for each in (job(id="job-7"), job(id="job-8")):
        tally.ended(EMAILS.name, [((each.stored_id, each.number, "c", 1, None), each)], 1)
    other = job(id=long)
    tally.ended(EMAILS.name, [((other.stored_id, other.number, "c", 2_000, None), other)], 1)
    shown = pages(tally)
    for name in ("callboard_run_duration_seconds_bucket", "callboard_queue_wait_seconds_bucket"):
        assert shown["plain"].exemplars(name) == []
    assert [e.labels for e in shown["openmetrics"].exemplars("callboard_run_duration_seconds_bucket")] == [
        {"job_id": "job-8"}
    ], "the latest of its bucket; an id over what OpenMetrics allows is left out"


def series(catalogue: Catalogue, pairs: int, verbs: int) -> int:
    """The bound that ``families`` states."""

    def of(family: WorkerFamily) -> int:
        assert family.edges is not None
        return len(family.edges(catalogue)) + 3

    queues = len(catalogue)
    histograms = queues * (of(families.WAIT) + of(families.JOB_ATTEMPTS)) + pairs * of(families.RUN)
    return histograms + verbs * of(families.REDIS_CALL) + of(families.FINISH_BATCH) + 4 * pairs + 8 * queues + 1


@pytest.mark.parametrize("more", [0, 5])
def test_the_number_of_series_is_as_stated(more: int) -> None:
    catalogue = Catalogue({**CATALOGUE, **{f"own{n}": QueueSpec(name=f"own{n}") for n in range(more)}})
    tally = Tally(catalogue, PAIRS, Allowed([]), 50)
    for verb in ("cycle", "beat", "sweep"):
        tally.called(verb, 0.001)
    families_shown = pages(tally)["plain"].families.values()
    shown = sum(len(each.samples) for each in families_shown if each.name.startswith("callboard_"))
    assert shown == series(catalogue, len(PAIRS), 3)
