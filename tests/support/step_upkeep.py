"""Maintenance jobs that are killed at a step: was everything removed once, reported once, told once?"""

from __future__ import annotations

from actors.upkeep.steps import MaintenanceStep
from callboard.records import JobView
from callboard.steps import Step
from tests.support.engine import Engine
from tests.support.step_stage import Scenario, Stage

QUEUE = "maintenance"

#: Queues that no actor of these tests works on, so that nothing else happens there.
CLEANED, WATCHED = "data-export", "social-listening"

#: Jobs that a clean finds, and how many of them it removes at a time.
OLD, BATCH = 25, 10


def _add_clean(stage: Stage, job_id: str) -> None:
    engine = Engine(stage.service.store, CLEANED)
    worker = engine.worker()
    ids = [f"{job_id}-{n}" for n in range(OLD)]
    engine.add(*ids)
    assert len(worker.fetch(OLD)) == OLD, "the queue gave other jobs than those that were added"
    worker.cycle(*((each, "c") for each in ids))
    policy = {"queues": [CLEANED], "older_than_s": 0, "batch_size": BATCH}
    stage.service.add_job(QUEUE, "clean_completed", policy, id=job_id)


def _one_clean(stage: Stage, step: Step, job: JobView) -> None:
    """Every old job was removed, and counted by its queue once.

    The job's own result misses what was removed right before a kill and not yet noted: the queue's totals are exact.
    """
    stats = stage.service.get_queue_stats(CLEANED)
    assert stats.completed == 0, "the clean left jobs behind"
    events = stage.service.get_events(CLEANED, limit=1_000)
    removed = [each for event in events if event.type == "cleaned" for each in event.job_ids if each.startswith(job.id)]
    assert sorted(removed) == sorted(f"{job.id}-{n}" for n in range(OLD)), "every job is removed once, and told once"
    result = stage.service.get_result(QUEUE, job.id)
    counted = OLD - BATCH if step is MaintenanceStep.BATCH_REMOVED else OLD
    assert (result["total"], result["more"]) == (counted, []), f"{counted} of {OLD} were expected: {result}"
    assert "skipped" not in result, "the lock of the killed attempt is this job's own"


def _add_check(stage: Stage, job_id: str) -> None:
    stage.service.check_health()
    stage.service.pause_queue(WATCHED, reason=job_id)
    stage.service.add_job(QUEUE, "check_health", {}, id=job_id)


def _one_event(stage: Stage, step: Step, job: JobView) -> None:
    told = [each for each in stage.service.get_events(WATCHED, limit=1_000) if each.type == "queue_health_changed"]
    stage.service.resume_queue(WATCHED)
    assert len(told) == 1, f"one change is one event: {told}"


def _add_report(stage: Stage, job_id: str) -> None:
    stage.service.add_job(QUEUE, "report_queues", {}, id=job_id)


def _one_report(stage: Stage, step: Step, job: JobView) -> None:
    kept = [report for report in stage.service.get_reports() if report.id == job.id]
    assert len(kept) == 1, f"one job is one report: {kept}"
    result = stage.service.get_result(QUEUE, job.id)
    assert result["at_ms"] == kept[0].at_ms, f"the result is of another report than {kept[0].at_ms}: {result}"


_CLEAN = (
    MaintenanceStep.LOCK_TAKEN, MaintenanceStep.BATCH_REMOVED, MaintenanceStep.QUEUE_CLEANED,
    MaintenanceStep.LOCK_RETURNED,
)  # fmt: skip

SCENARIOS = [
    Scenario(_CLEAN, QUEUE, _add_clean, _one_clean),
    Scenario((MaintenanceStep.HEALTH_NOTED,), QUEUE, _add_check, _one_event),
    Scenario((MaintenanceStep.REPORT_KEPT,), QUEUE, _add_report, _one_report),
]
