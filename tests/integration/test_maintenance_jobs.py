"""The maintenance jobs on a real worker: what they remove, find, keep and say, and what becomes of a killed one."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import structlog

import actors.maintenance
from actors.upkeep import cleaning
from actors.upkeep.steps import MaintenanceStep
from callboard import steps
from callboard.errors import PayloadInvalid, StoreUnavailable
from callboard.records import JobView
from callboard.service import QueueService
from callboard.steps import Step
from callboard.verbs import locks
from tests.integration.conftest import AppMaker
from tests.support.app import QUICK, App, Gate
from tests.support.engine import Engine
from tests.support.steering import Desk

HOUR = 3_600_000
CATALOGUE = {"one": QUICK, "two": QUICK, "maintenance": {**QUICK, "max_attempts": 1, "lease_ms": 30_000}}


class Upkeep:
    """An application with the maintenance actors, and two queues with jobs that ended."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.actors = importlib.reload(actors.maintenance)
        self.service = QueueService(app.settings, store=app.broker.store)
        self.desks = {name: Desk(Engine(app.broker.store, name)) for name in ("one", "two")}

    def ended_jobs(self, state: str, count: int, queue: str = "one") -> list[str]:
        """So many jobs that ended two hours ago."""
        engine = self.desks[queue].engine
        ids = [self.desks[queue].put(state) for _ in range(count)]
        engine.warp(2 * HOUR)
        return ids

    def run(self, actor: str, **payload: Any) -> tuple[JobView, Any]:
        """Run a job of ``actor`` to its end. Returns: the job, and its result when it has completed."""
        return self.outcome(getattr(self.actors, actor).send(**payload))

    def outcome(self, message: dramatiq.Message[Any]) -> tuple[JobView, Any]:
        job = self.app.ended(message)
        return job, message.get_result() if job.state == "completed" else None

    def left(self, state: str) -> dict[str, int]:
        return {name: getattr(self.service.get_queue_stats(name), state) for name in self.desks}

    def changes(self, queue: str) -> list[str]:
        events = self.service.get_events(queue)
        return [event.detail["new"] for event in events if event.type == "queue_health_changed"]


@pytest.fixture
def upkeep(make_app: AppMaker) -> Upkeep:
    upkeep = Upkeep(make_app(queues=CATALOGUE))
    upkeep.app.start()
    return upkeep


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Step], None]], None]:
    return lambda do: monkeypatch.setattr(steps, "on_reached", do)


# -- cleans


def test_a_clean_removes_by_age_in_every_queue(upkeep: Upkeep) -> None:
    upkeep.ended_jobs("completed", 3)
    upkeep.ended_jobs("completed", 2, "two")
    kept = upkeep.desks["one"].put("completed")
    failed = upkeep.desks["one"].put("failed")
    job, result = upkeep.run("clean_completed", older_than_s=3_600)
    assert job.state == "completed"
    assert result == {"removed": {"one": 3, "two": 2, "maintenance": 0}, "total": 5, "more": [], "dry_run": False}
    assert upkeep.left("completed") == {"one": 1, "two": 0}
    assert upkeep.service.get_job("one", kept).state == "completed"
    assert upkeep.service.get_job("one", failed).state == "failed"
    progress = upkeep.service.get_job_details("maintenance", job.id).progress
    assert progress == {"queue": "maintenance", "removed": 5, "done": 2, "of": 3}


def test_without_a_payload_the_retention_of_each_queue_counts(make_app: AppMaker) -> None:
    short = {**QUICK, "keep_failed_ms": HOUR}
    upkeep = Upkeep(make_app(queues={**CATALOGUE, "one": short}))
    upkeep.ended_jobs("failed", 2)
    upkeep.ended_jobs("failed", 2, "two")
    # Workers tidy up by the same ages, once a minute: here they have just done so.
    engine = upkeep.desks["one"].engine
    engine.set_meta("tidied", engine.now())
    upkeep.app.start()
    assert upkeep.run("clean_failed")[1]["removed"] == {"one": 2, "two": 0, "maintenance": 0}
    assert upkeep.left("failed") == {"one": 0, "two": 2}


def test_a_dry_run_counts_and_removes_nothing(upkeep: Upkeep) -> None:
    upkeep.ended_jobs("failed", 3)
    _, result = upkeep.run("clean_failed", queues=["one", "two"], older_than_s=60, dry_run=True, limit=2)
    assert result == {"removed": {"one": 2, "two": 0}, "total": 2, "more": ["one"], "dry_run": True}
    assert upkeep.left("failed")["one"] == 3


def test_a_limit_stops_a_queue_and_says_so(upkeep: Upkeep) -> None:
    old = upkeep.ended_jobs("failed", 5)
    _, result = upkeep.run("clean_failed", queues=["one"], older_than_s=60, limit=3, batch_size=2)
    assert (result["removed"], result["more"]) == ({"one": 3}, ["one"])
    assert [job.id for job in upkeep.service.get_failed_jobs("one").jobs] == old[:2:-1], "the oldest went"
    assert upkeep.run("clean_failed", queues=["one"], older_than_s=60, limit=2)[1]["more"] == []


def test_a_policy_that_does_not_fit_is_refused_at_the_door(upkeep: Upkeep) -> None:
    for wrong in ({"older_than_s": -1}, {"limit": 0}, {"batch_size": 0}, {"queues": []}, {"older": 1}):
        with pytest.raises(PayloadInvalid, match=next(iter(wrong))):
            upkeep.actors.clean_failed.send(**wrong)
    with pytest.raises(PayloadInvalid, match="queue"):
        upkeep.actors.check_health.send(queue="one")


def test_an_unknown_queue_fails_for_good_before_anything_is_removed(upkeep: Upkeep) -> None:
    upkeep.ended_jobs("failed", 1)
    job, _ = upkeep.run("clean_failed", queues=["one", "nine"], older_than_s=0)
    assert (job.state, job.attempts_made) == ("failed", 1)
    assert "the policy is no good: unknown queue 'nine'" in job.reason
    assert upkeep.left("failed")["one"] == 1


def test_a_second_clean_ends_at_once_and_says_so(
    upkeep: Upkeep, gate: Gate, at_step: Callable[[Callable[[Step], None]], None]
) -> None:
    upkeep.ended_jobs("failed", 1)
    at_step(lambda step: gate.wait() if step == MaintenanceStep.LOCK_TAKEN else None)
    first = upkeep.actors.clean_failed.send(older_than_s=60)
    gate.reached()
    job, result = upkeep.run("clean_failed", older_than_s=60)
    assert (result["skipped"], result["holder"]) == ("another run holds the lock", first.message_id)
    assert result["removed"] == {}
    assert first.message_id in upkeep.service.get_job_details("maintenance", job.id).log[0][1]
    assert upkeep.run("clean_failed", dry_run=True)[1]["dry_run"], "counting needs no lock"
    gate.open()
    assert upkeep.outcome(first)[1]["removed"]["one"] == 1
    assert "skipped" not in upkeep.run("clean_failed")[1], "the lock is free again"


def test_a_clean_that_lost_its_lock_tries_again(
    upkeep: Upkeep, at_step: Callable[[Callable[[Step], None]], None]
) -> None:
    upkeep.ended_jobs("failed", 4)
    stolen: list[locks.Lock] = []

    def steal(step: Step) -> None:
        if step == MaintenanceStep.BATCH_REMOVED and not stolen:
            upkeep.app.broker.store.execute("DEL", f"{upkeep.app.settings.prefix}:{{0}}:locks")
            stolen.append(locks.take(upkeep.app.broker.store, "clean-failed", "somebody", cleaning.LOCK_MS))

    at_step(steal)
    job, result = upkeep.run("clean_failed", queues=["one"], older_than_s=60, batch_size=2)
    assert (job.attempts_made, result["holder"], result["removed"]) == (2, "somebody", {"one": 2})
    assert job.attempts[0].error_type == "LockLost"
    assert locks.keep(upkeep.app.broker.store, stolen[0], 60_000), "what is another's is not given back"


def test_redis_away_for_a_moment_is_tried_again(
    upkeep: Upkeep, at_step: Callable[[Callable[[Step], None]], None]
) -> None:
    upkeep.ended_jobs("failed", 4)
    raised: list[Step] = []

    def away(step: Step) -> None:
        if step == MaintenanceStep.QUEUE_CLEANED and len(raised) < 2:
            raised.append(step)
            raise StoreUnavailable

    at_step(away)
    job, result = upkeep.run("clean_failed", older_than_s=60)
    assert (job.state, job.attempts_made) == ("completed", 3)
    assert result["removed"]["one"] == 4, "what earlier attempts removed is counted"


def test_a_clean_that_an_operator_retries_counts_anew(upkeep: Upkeep) -> None:
    upkeep.ended_jobs("failed", 3)
    message = upkeep.actors.clean_failed.send(queues=["one"], older_than_s=60, limit=2)
    assert upkeep.outcome(message)[1]["removed"] == {"one": 2}
    upkeep.service.retry_job("maintenance", message.message_id)
    assert upkeep.outcome(message)[1]["removed"] == {"one": 1}


# -- the health check and the report


def test_a_check_tells_of_each_change_once(upkeep: Upkeep) -> None:
    _, result = upkeep.run("check_health")
    assert (result["status"], result["changed"]) == ("healthy", [])
    upkeep.service.pause_queue("one", "upgrade")
    with structlog.testing.capture_logs() as logged:
        result = upkeep.run("check_health")[1]
    assert (result["status"], result["changed"]) == ("unhealthy", ["one"])
    assert result["queues"]["two"] == {"status": "healthy", "reasons": []}
    assert [(line["queue"], line["status"]) for line in logged if "health" in line["event"]] == [("one", "unhealthy")]
    assert upkeep.run("check_health")[1]["changed"] == []
    upkeep.service.resume_queue("one")
    assert upkeep.run("check_health")[1]["changed"] == ["one"]
    assert upkeep.changes("one") == ["unhealthy", "healthy"]
    assert upkeep.changes("two") == []


def test_checks_at_once_tell_once(upkeep: Upkeep) -> None:
    upkeep.service.pause_queue("one")
    messages = [upkeep.actors.check_health.send() for _ in range(12)]
    changed = [queue for message in messages for queue in upkeep.outcome(message)[1]["changed"]]
    assert changed == ["one"]
    assert upkeep.changes("one") == ["unhealthy"]


def test_a_report_is_kept_and_logged_line_by_line(upkeep: Upkeep) -> None:
    upkeep.ended_jobs("failed", 2, "two")
    with structlog.testing.capture_logs() as logged:
        job, result = upkeep.run("report_queues")
    [report] = upkeep.service.get_reports()
    assert result == {"report": job.id, "at_ms": report.at_ms, "queues": 3}
    lines = [line for line in logged if line["event"] == "queue report"]
    assert [line["queue"] for line in lines] == ["one", "two", "maintenance"]
    assert lines[1]["states"]["failed"] == report.queues[1].states["failed"] == 2
    assert {line["report"] for line in lines} == {job.id}


# -- killed half-way


def work_and_die(make: Callable[[], App], step: Step) -> None:
    """A worker process that is killed when a job comes to ``step``."""

    def die(at: Step) -> None:
        if at == step:
            os.kill(os.getpid(), signal.SIGKILL)

    app = make()
    importlib.reload(actors.maintenance)
    steps.on_reached = die
    app.start()
    signal.pause()


#: Which job comes to a step.
_OF_STEP = {MaintenanceStep.HEALTH_NOTED: "check_health", MaintenanceStep.REPORT_KEPT: "report_queues"}


@pytest.mark.parametrize("step", MaintenanceStep)
def test_a_job_that_is_killed_runs_again_and_does_no_harm(make_app: AppMaker, step: MaintenanceStep) -> None:
    upkeep = Upkeep(make_app(queues=CATALOGUE))
    upkeep.ended_jobs("failed", 3)
    upkeep.ended_jobs("failed", 1, "two")
    upkeep.service.pause_queue("two")
    actor = _OF_STEP.get(step, "clean_failed")
    payload = {"older_than_s": 60, "batch_size": 2} if actor == "clean_failed" else {}
    message = getattr(upkeep.actors, actor).send(**payload)

    doomed = multiprocessing.get_context("fork").Process(
        target=work_and_die, args=(lambda: make_app(queues=CATALOGUE), step), daemon=True
    )
    doomed.start()
    doomed.join(20)
    doomed.kill()
    assert doomed.exitcode == -signal.SIGKILL, f"no job came to {step}"
    engine = Engine(upkeep.app.broker.store, "maintenance")
    engine.warp(engine.spec.lease_ms + 1)
    assert engine.sweep().recovered == [engine.snapshot().members("waiting")[0].decode()]

    dramatiq.set_broker(upkeep.app.broker)
    upkeep.app.start()
    job, result = upkeep.outcome(message)
    assert (job.state, job.stalls, job.attempts_made) == ("completed", 1, 1)
    if actor == "check_health":
        assert upkeep.changes("two") == ["unhealthy"]
    elif actor == "report_queues":
        assert [report.id for report in upkeep.service.get_reports()] == [job.id]
    else:
        assert "skipped" not in result, "its own lock does not keep it away"
        assert upkeep.left("failed") == {"one": 0, "two": 0}
        uncounted = 2 if step == MaintenanceStep.BATCH_REMOVED else 0
        assert result["total"] == 4 - uncounted
        assert locks.take(upkeep.app.broker.store, "clean-failed", "next", 1).taken
