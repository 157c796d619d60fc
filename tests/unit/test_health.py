"""When a queue is healthy: every rule at its boundary, exactly at it and just beyond."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callboard.catalogue import QueueSpec, Thresholds
from callboard.health import QueueHealth, live, overall, queue_health, unreachable
from callboard.verbs.fleet import WorkerRecord
from callboard.verbs.looking import QueueStats

NOW = 1_700_000_000_000
SPEC = QueueSpec(name="emails", wait_target_ms=30_000)
THRESHOLDS = Thresholds()
STATS = QueueStats(
    queue="emails", waiting=0, delayed=0, active=0, blocked=0, completed=0, failed=0, cancelled=0, limited=0, outbox=0,
    paused=False, paused_since_ms=0, paused_reason="", paused_by="", oldest_waiting_age_s=0.0, next_due_ms=0, at_ms=NOW,
)  # fmt: skip


def worker(*queues: str, beat_ms: int = NOW) -> WorkerRecord:
    return WorkerRecord(
        id="w", host="h", pid=1, slot=0, queues=list(queues), threads=8, busy=0, version="1", started_ms=0,
        beat_ms=beat_ms,
    )  # fmt: skip


def judged(*workers: WorkerRecord, **stats: Any) -> QueueHealth:
    return queue_health(SPEC, replace(STATS, **stats), workers or (worker("emails"),))


def test_an_idle_queue_is_healthy() -> None:
    assert judged() == QueueHealth("emails", "healthy", [], NOW)


@pytest.mark.parametrize("state", Thresholds.model_fields)
def test_a_threshold_is_passed_by_more_than_its_number(state: str) -> None:
    most = getattr(THRESHOLDS, state)
    assert judged(**{state: most}).status == "healthy", f"exactly {most} {state} jobs"
    found = judged(**{state: most + 1})
    assert (found.status, found.reasons) == ("degraded", [f"{state}: {most + 1:,} jobs, more than {most:,}"])


def test_the_reason_has_the_numbers() -> None:
    assert judged(failed=101).reasons == ["failed: 101 jobs, more than 100"]
    strict = SPEC.model_copy(update={"thresholds": Thresholds(failed=0)})
    assert queue_health(strict, replace(STATS, failed=1), ()).reasons == ["failed: 1 job, more than 0"]


def test_the_oldest_job_may_wait_for_twice_the_target() -> None:
    assert judged(waiting=1, oldest_waiting_age_s=60.0).status == "healthy"
    found = judged(waiting=1, oldest_waiting_age_s=61.0)
    assert found.status == "degraded"
    assert found.reasons == ["the oldest waiting job has waited 61 s, more than 2 × the target of 30 s"]


def test_a_paused_queue_is_unhealthy_and_its_jobs_are_meant_to_wait() -> None:
    found = judged(paused=True, paused_since_ms=NOW - 90_500, waiting=1, oldest_waiting_age_s=61.0)
    assert (found.status, found.reasons) == ("unhealthy", ["paused for 90 s, without a planned end"])
    said = judged(paused=True, paused_since_ms=NOW, paused_by="ada", paused_reason="upgrade").reasons
    assert said == ["paused for 0 s, without a planned end, by ada (upgrade)"]


@pytest.mark.parametrize(
    ("work", "told"),
    [
        ({"waiting": 3}, "3 waiting"),
        ({"active": 1}, "1 active"),
        ({"waiting": 3, "active": 1}, "3 waiting and 1 active"),
        ({"delayed": 1, "next_due_ms": NOW - 1}, "delayed jobs that are due"),
    ],
)
def test_work_that_no_live_worker_serves_is_unhealthy(work: dict[str, int], told: str) -> None:
    found = judged(worker("others"), **work)
    assert (found.status, found.reasons) == ("unhealthy", [f"no live worker serves the queue, which has {told}"])
    assert judged(worker("others"), worker("emails"), **work).status == "healthy"


@pytest.mark.parametrize("no_work", [{}, {"delayed": 1, "next_due_ms": NOW}, {"failed": 100}, {"blocked": 1}])
def test_without_work_nobody_has_to_serve_a_queue(no_work: dict[str, int]) -> None:
    assert judged(worker("others"), **no_work).status == "healthy"


def test_the_worst_decides_and_every_reason_is_told() -> None:
    found = judged(paused=True, paused_since_ms=NOW, failed=101, delayed=5_001)
    assert found.status == "unhealthy"
    assert [reason.partition(" ")[0] for reason in found.reasons] == ["paused", "failed:", "delayed:"]


def test_a_worker_lives_while_it_is_heard_of() -> None:
    at, beyond = worker(beat_ms=NOW - 10_000), worker(beat_ms=NOW - 10_001)
    assert live([at, beyond], NOW, beat_ms=500) == [at]
    assert live([at, beyond], NOW, beat_ms=5_000) == [at, beyond], "three beats of five seconds"


def test_the_deployment_is_as_its_worst_queue() -> None:
    fine, slow = QueueHealth("a", "healthy", [], NOW), QueueHealth("b", "degraded", ["failed: 2 jobs"], NOW)
    down = unreachable("c", "Redis is not reachable: refused")
    assert overall([fine, fine], workers=2).status == "healthy"
    some = overall([fine, slow], workers=2)
    assert (some.status, some.reasons, some.redis, some.workers) == (
        "degraded", ["b is degraded: failed: 2 jobs"], True, 2,
    )  # fmt: skip
    worst = overall([slow, down, unreachable("d", down.reasons[0])], workers=0)
    assert (worst.status, worst.redis) == ("unhealthy", False)
    assert worst.reasons == ["Redis is not reachable: refused", "b is degraded: failed: 2 jobs"]
