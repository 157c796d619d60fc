"""What a worker process counts: every way in which an attempt can end, and how often each thing is counted."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.catalogue import Catalogue, QueueSpec
from callboard.payloads import WAITS_FOR_NEWER
from callboard.worker.job import Job
from middleware.metrics import families
from middleware.metrics.exceptions import Allowed
from middleware.metrics.families import WorkerFamily
from middleware.metrics.tally import REASONS, Tally
from tests.support.jobs import make_job

EMAILS = QueueSpec(name="emails", wait_target_ms=30_000, time_limit_ms=60_000, max_attempts=5)
EXPORTS = QueueSpec(name="exports", wait_target_ms=7_000, time_limit_ms=90_000)
CATALOGUE = Catalogue({"emails": EMAILS, "exports": EXPORTS})

SEND = ("emails", "send")

#: Jobs that are reserved go back after so long (ms).
HOLD_MS = 50


class Sums:
    """A tally, and sums over what it has counted."""

    def __init__(self) -> None:
        self.tally = Tally(CATALOGUE, [SEND, ("exports", "write")], Allowed([__name__]), HOLD_MS)

    def end(self, *ends: tuple[Job, str], sent: int | None = None) -> None:
        """Redis took these ends (job, outcome) in one call."""
        whole = [((job.stored_id, job.number, outcome, job.duration, None), job) for job, outcome in ends]
        self.tally.ended("emails", whole, len(ends) if sent is None else sent)

    def __getitem__(self, family: WorkerFamily) -> dict[tuple[str, ...], float]:
        """What is not 0 of a family; of a histogram how often each was observed."""
        counts = self.tally.counts({})
        if family in counts.histograms:
            numbers = {labels: sum(each.counts) for labels, each in counts.histograms[family].items()}
        else:
            numbers = dict(counts.numbers[family])
        return {labels: number for labels, number in numbers.items() if number}

    def success(self) -> tuple[float, float]:
        """Jobs that were to succeed, and did."""
        return self._slo("success")

    def wait(self) -> tuple[float, float]:
        """Jobs that were to start in time, and did."""
        return self._slo("wait")

    def _slo(self, slo: str) -> tuple[float, float]:
        return tuple(self[family].get(("emails", slo), 0) for family in (families.SLO_ELIGIBLE, families.SLO_MET))  # type: ignore[return-value]


@pytest.fixture
def sums() -> Sums:
    return Sums()


def job(*, ran: bool = True, error: str = "", **fields: Any) -> Job:
    """A job whose attempt is over. ``ran``: its actor was called, at once when it was fetched."""
    given = {name: fields.pop(name) for name in ("id", "attempts", "stalls", "waited_ms") if name in fields}
    made = make_job(EMAILS, "send", **given)
    made.started, made.reserved_until, made.guarded, made.duration = 100.0, 100.0 + HOLD_MS / 1000, ran, 12
    if error:
        made.error = (error, "no", "")
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def test_everything_begins_at_zero(sums: Sums) -> None:
    numbers = sums.tally.counts({}).numbers
    assert numbers[families.ATTEMPTS] == {SEND: 0, ("exports", "write"): 0}
    assert numbers[families.ATTEMPT_FAILURES] == {(*SEND, "other"): 0, ("exports", "write", "other"): 0}
    assert set(numbers[families.SLO_MET]) == {(q, slo) for q in CATALOGUE for slo in ("success", "wait")}
    assert set(numbers[families.DEFERRED]) == {(q, reason) for q in CATALOGUE for reason in REASONS}
    assert numbers[families.REQUEUED] == {("emails",): 0, ("exports",): 0}
    assert not any(sums[family] for family in numbers)


def test_a_completed_attempt(sums: Sums) -> None:
    sums.end((job(), "c"))
    assert sums[families.ATTEMPTS] == sums[families.RUN] == {SEND: 1}
    assert sums[families.JOB_ATTEMPTS] == sums[families.WAIT] == {("emails",): 1}
    assert sums.success() == sums.wait() == (1, 1)
    for family in (families.ATTEMPT_FAILURES, families.RETRIES, families.DEFERRED, families.REQUEUED):
        assert not sums[family]


def test_a_retry_is_counted_once_and_its_job_when_it_ends(sums: Sums) -> None:
    sums.end((job(error="ValueError"), "r"))
    assert sums[families.RETRIES] == sums[families.ATTEMPTS] == {SEND: 1}
    assert sums[families.ATTEMPT_FAILURES] == {(*SEND, "ValueError"): 1}
    assert sums.success() == (0, 0), "the job has not ended"
    assert not sums[families.JOB_ATTEMPTS]
    sums.end((job(attempts=1), "c"))
    assert sums[families.RETRIES] == {SEND: 1}
    assert sums[families.ATTEMPTS] == {SEND: 2}
    assert sums.success() == (1, 1)
    assert sums.tally.counts({}).histograms[families.JOB_ATTEMPTS]["emails",].total == 2
    assert sums[families.WAIT] == {("emails",): 2}, "each attempt waited"
    assert sums.wait() == (1, 1), "the job started once for the first time"


def test_a_failure_for_good(sums: Sums) -> None:
    sums.end((job(error="ValueError", attempts=4), "f"))
    assert sums[families.ATTEMPTS] == {SEND: 1}
    assert sums[families.ATTEMPT_FAILURES] == {(*SEND, "ValueError"): 1}
    assert not sums[families.RETRIES]
    assert sums.success() == (1, 0)
    assert sums.tally.counts({}).histograms[families.JOB_ATTEMPTS]["emails",].total == 5


def test_a_failure_that_nobody_named_is_other(sums: Sums) -> None:
    sums.end((job(), "f"))
    assert sums[families.ATTEMPT_FAILURES] == {(*SEND, "other"): 1}


def test_a_job_that_is_sent_again_without_an_error_has_not_failed(sums: Sums) -> None:
    sums.end((job(), "r"))
    assert sums[families.RETRIES] == {SEND: 1}
    assert not sums[families.ATTEMPT_FAILURES]


@pytest.mark.parametrize(
    ("reason", "error", "label"),
    [
        ("not before noon", "", "other"), ("", "RateLimitExceeded", "rate_limit"),
        (f"the payload has version 2: {WAITS_FOR_NEWER}", "", "newer_payload"),
    ],
)  # fmt: skip
def test_a_deferral_is_neither_a_failure_nor_an_end(sums: Sums, reason: str, error: str, label: str) -> None:
    sums.end((job(reason=reason, error=error), "d"))
    assert sums[families.DEFERRED] == {("emails", label): 1}
    assert sums[families.ATTEMPTS] == {SEND: 1}
    assert not sums[families.ATTEMPT_FAILURES]
    assert not sums[families.RETRIES]
    assert sums.success() == (0, 0)


def test_a_cancelled_attempt_ran_and_its_job_counts_for_nothing(sums: Sums) -> None:
    sums.end((job(cancel_asked=True), "x"))
    assert sums[families.ATTEMPTS] == sums[families.RUN] == {SEND: 1}
    assert sums.success() == (0, 0)
    assert not sums[families.JOB_ATTEMPTS]
    assert not sums[families.ATTEMPT_FAILURES]


@pytest.mark.parametrize("outcome", ["r", "f", "d"])
def test_what_ends_otherwise_after_a_cancel_ends_as_cancelled(sums: Sums, outcome: str) -> None:
    sums.end((job(cancel_asked=True, error="ValueError"), outcome))
    assert sums[families.ATTEMPTS] == {SEND: 1}
    for family in (families.RETRIES, families.ATTEMPT_FAILURES, families.DEFERRED, families.JOB_ATTEMPTS):
        assert not sums[family]


def test_what_completes_before_it_heard_of_its_cancel_has_completed(sums: Sums) -> None:
    sums.end((job(cancel_asked=True), "c"))
    assert sums.success() == (1, 1)


def test_a_job_that_was_cancelled_before_it_started_counts_nothing(sums: Sums) -> None:
    sums.end((job(ran=False, cancel_asked=True, started=0.0), "b"))
    assert not any(sums[family] for family in sums.tally.counts({}).numbers)
    assert not sums[families.WAIT]


def test_a_skipped_job_completes_without_an_attempt(sums: Sums) -> None:
    sums.end((job(ran=False), "c"))
    assert not sums[families.ATTEMPTS]
    assert not sums[families.RUN]
    assert not sums[families.WAIT]
    assert sums.success() == (1, 1)
    assert sums.wait() == (0, 0)
    histogram = sums.tally.counts({}).histograms[families.JOB_ATTEMPTS]["emails",]
    assert (sum(histogram.counts), histogram.total) == (1, 0)


def test_a_job_that_was_too_old_fails_without_an_attempt(sums: Sums) -> None:
    sums.end((job(ran=False, failed=True, error="Exception"), "f"))
    assert not sums[families.ATTEMPTS]
    assert not sums[families.RUN]
    assert not sums[families.ATTEMPT_FAILURES]
    assert sums.success() == (1, 0)


def test_an_attempt_that_a_shutdown_interrupted_went_back(sums: Sums) -> None:
    sums.end((job(), "b"))
    assert sums[families.REQUEUED] == {("emails",): 1}
    assert not sums[families.ATTEMPTS]
    assert not sums[families.RUN]
    assert sums.success() == (0, 0)


def test_jobs_that_went_back_unstarted(sums: Sums) -> None:
    sums.tally.requeued("emails", 3)
    assert sums[families.REQUEUED] == {("emails",): 3}


def test_the_finish_says_what_was_committed_not_the_job(sums: Sums) -> None:
    """A finish that could not be told to Redis as it was fails its job (see the pump)."""
    sums.end((job(outcome=None), "f"))
    assert sums.success() == (1, 0)


@pytest.mark.parametrize(("waited_ms", "met"), [(30_000, 1), (30_001, 0)])
def test_a_wait_of_exactly_the_target_is_met(sums: Sums, waited_ms: int, met: int) -> None:
    sums.end((job(waited_ms=waited_ms), "c"))
    assert sums.wait() == (1, met)
    histogram = sums.tally.counts({}).histograms[families.WAIT]["emails",]
    assert sum(histogram.counts[: histogram.edges.index(30.0) + 1]) == met, "the bucket of the target says the same"


def test_the_time_in_the_reserve_is_waited_too(sums: Sums) -> None:
    sums.end((job(waited_ms=29_990, started=100.02), "c"))
    assert sums.wait() == (1, 0), "20 ms after the fetch it was late"


def test_a_clock_that_jumped_makes_no_negative_wait(sums: Sums) -> None:
    sums.end((job(waited_ms=-5_000, started=99.0), "c"))
    assert sums.tally.counts({}).histograms[families.WAIT]["emails",].total == 0


@pytest.mark.parametrize("before", [{"attempts": 1}, {"stalls": 1}, {"first_start": False}])
def test_a_later_start_does_not_count_for_the_objective(sums: Sums, before: dict[str, Any]) -> None:
    sums.end((job(**before), "c"))
    assert sums.wait() == (0, 0)
    assert sums.success() == (1, 1)


def test_after_a_lost_start_the_wait_is_not_known(sums: Sums) -> None:
    sums.end((job(stalls=1), "c"))
    assert not sums[families.WAIT]


def test_a_wait_is_counted_while_the_attempt_runs_and_not_again_at_its_end(sums: Sums) -> None:
    running, reserved = job(), job(ran=False, started=0.0)
    for _ in range(2):
        sums.tally.counts({"emails": [running, reserved]})
    assert sums[families.WAIT] == {("emails",): 1}
    assert sums.wait() == (1, 1)
    assert not sums[families.ATTEMPTS]
    sums.end((running, "c"))
    assert sums[families.WAIT] == {("emails",): 1}
    assert sums.wait() == (1, 1)


def test_the_size_of_a_batch_has_refused_finishes_in_it(sums: Sums) -> None:
    sums.end((job(), "c"), (job(), "c"), sent=7)
    sums.end(sent=1)
    histogram = sums.tally.counts({}).histograms[families.FINISH_BATCH][()]
    assert (sum(histogram.counts), histogram.total) == (2, 8)


def test_calls_are_counted_by_their_script(sums: Sums) -> None:
    for verb, seconds in (("cycle", 0.001), ("cycle", 0.002), ("beat", 7.0)):
        sums.tally.called(verb, seconds)
    assert sums[families.REDIS_CALL] == {("cycle",): 2, ("beat",): 1}
    assert sums.tally.counts({}).histograms[families.REDIS_CALL]["beat",].counts[-1] == 1, "beyond all edges"


def test_calls_that_nobody_asks_for_are_forgotten_in_time(sums: Sums, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(30_000):
        sums.tally.called("progress", 0.001)
    assert sums[families.REDIS_CALL] == {("progress",): 20_000}


def test_a_job_on_another_queue_than_its_actors_is_counted_there(sums: Sums) -> None:
    other = job()
    other.actor_name = "write"
    sums.end((other, "c"))
    assert sums[families.ATTEMPTS] == {("emails", "write"): 1}


def test_values_on_an_edge_fall_into_its_bucket(sums: Sums) -> None:
    durations = (0, 5, 6, 60_000, 60_001, 90_000, 3_600_000, 3_600_001)
    sums.end(*((job(duration=ms), "c") for ms in durations))
    histogram = sums.tally.counts({}).histograms[families.RUN][SEND]
    filled = {edge: n for edge, n in zip((*histogram.edges, "beyond"), histogram.counts, strict=True) if n}
    assert filled == {0.005: 2, 0.01: 1, 60.0: 1, 90.0: 2, 3600.0: 1, "beyond": 1}
    assert histogram.total == pytest.approx(sum(durations) / 1000)


def test_every_target_and_limit_of_the_catalogue_is_an_edge() -> None:
    for family, edges in (
        (families.WAIT, {7.0, 30.0}), (families.RUN, {60.0, 90.0}), (families.JOB_ATTEMPTS, {3.0, 5.0}),
    ):  # fmt: skip
        assert family.edges is not None
        found = family.edges(CATALOGUE)
        assert edges <= set(found)
        assert list(found) == sorted(set(found))


def test_the_latest_job_of_a_bucket_is_its_exemplar(sums: Sums) -> None:
    sums.end((job(id="a", duration=1), "c"), (job(id="b", duration=2), "c"), (job(id="long", duration=70_000), "c"))
    counts = sums.tally.counts({})
    found = [each for each in counts.histograms[families.RUN][SEND].exemplars if each is not None]
    assert [(name, value) for name, value, _ in found] == [("b", 0.002), ("long", 70.0)]
    assert counts.histograms[families.JOB_ATTEMPTS]["emails",].exemplars == []


def test_a_copy_does_not_change(sums: Sums) -> None:
    before = sums.tally.counts({})
    sums.end((job(), "c"))
    assert before.numbers[families.ATTEMPTS][SEND] == 0
    assert sum(before.histograms[families.RUN][SEND].counts) == 0
