"""What operators do to the model's queue: the words of the specification, verb by verb.

An answer is "done", "told", "already", "unknown" (no such job) or "wrong: " and the job's state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.statemachine.jobs import Mark, ModelJob
from tests.statemachine.model import Model

UNSTARTED = ("waiting", "delayed")
FINISHED = ("completed", "failed", "cancelled")

#: A place in the order of a state.
Place = tuple[int, ...]


class Wish(NamedTuple):
    """Which jobs are meant: '' and 0 want everything. ``before`` is when they were added at the latest (ms)."""

    actor: str = ""
    workspace: str = ""
    tag: str = ""
    text: str = ""
    before: int = 0

    def wants(self, job: ModelJob) -> bool:
        """Whether a job is meant."""
        texts = (job.message.payload.decode(), job.reason, *job.errors)
        return (
            self.actor in ("", job.message.actor)
            and self.workspace in ("", job.workspace)
            and self.tag in ("", job.message.tag)
            and any(self.text.lower() in text.lower() for text in texts)
            and (not self.before or job.added <= self.before)
        )


# One job


def _on(model: Model, job_id: str, states: tuple[str, ...], do: Callable[[ModelJob], str]) -> str:
    job = model.jobs.get(job_id)
    if job is None:
        return "unknown"
    return do(job) if job.state in states else f"wrong: {job.state}"


def remove(model: Model, job_id: str, force: bool) -> str:
    """Any state but active; an active one only with force, and once it has stopped."""

    def do(job: ModelJob) -> str:
        if job.state == "active":
            job.mark = Mark("removed", remove=True)
            return "told"
        _drop(model, job)
        model.remove(job)
        return "done"

    return _on(model, job_id, (*UNSTARTED, *FINISHED, *(("active",) if force else ())), do)


def retry(model: Model, job_id: str, reset: bool) -> str:
    """An ended job waits again."""

    def do(job: ModelJob) -> str:
        wait_again(model, job, reset)
        return "done"

    return _on(model, job_id, FINISHED, do)


def wait_again(model: Model, job: ModelJob, reset: bool) -> None:
    """At its own priority, behind what waits; its history is kept, its result is not."""
    model.results.pop(job.id, None)
    job.reason, job.stalls, job.lost, job.started, job.tried_at = "", 0, 0, False, 0
    job.attempts = 0 if reset else job.attempts
    model.line_up(job)
    model.totals["revived"] += 1
    model.count_and_say("retried", job)


def promote(model: Model, job_id: str) -> str:
    """A delayed job waits now."""

    def do(job: ModelJob) -> str:
        if job.state == "waiting":
            return "already"
        wait_early(model, job)
        return "done"

    return _on(model, job_id, UNSTARTED, do)


def wait_early(model: Model, job: ModelJob) -> None:
    """Before it is due."""
    model.line_up(job)
    model.say("waiting", job)


def cancel(model: Model, job_id: str, reason: str, now: int) -> str:
    """At once, or its worker is told; who asked first is remembered."""

    def do(job: ModelJob) -> str:
        if job.state == "cancelled":
            return "already"
        if job.state == "active":
            job.mark = job.mark or Mark(reason)
            return "told"
        model.close(job, "cancelled", now, reason)
        model.trim("cancelled")
        return "done"

    return _on(model, job_id, (*UNSTARTED, "active", "cancelled"), do)


def reprioritise(model: Model, job_id: str, priority: int) -> str:
    """A waiting job goes behind its new equals."""

    def do(job: ModelJob) -> str:
        if job.priority == priority:
            return "already"
        job.priority = priority
        if job.state == "waiting":
            model.line_up(job)
        return "done"

    return _on(model, job_id, UNSTARTED, do)


def reschedule(model: Model, job_id: str, due: int, now: int) -> str:
    """Another time; one that has passed means at once."""

    def do(job: ModelJob) -> str:
        if due > now:
            job.state, job.at = "delayed", due
            model.say("delayed", job)
        elif job.state == "delayed":
            wait_early(model, job)
        return "done"

    return _on(model, job_id, UNSTARTED, do)


def edit(model: Model, job_id: str, payload: bytes) -> str:
    """Another payload for the same actor."""

    def do(job: ModelJob) -> str:
        job.message = job.message._replace(payload=payload)
        return "done"

    return _on(model, job_id, UNSTARTED, do)


# Many jobs


def drain(model: Model, state: str, most: int) -> int:
    """The first jobs of a state go; how many."""
    gone = model.of(state)[:most]
    for job in gone:
        _drop(model, job)
        model.erase(job)
        model.count_and_say("drained", job)
    return len(gone)


def clean(model: Model, state: str, before: int, most: int) -> list[str]:
    """The first jobs of a state that ended, or were added, at or before a time go; their ids."""
    old = [job for job in model.of(state) if (job.at if state in FINISHED else job.added) <= before][:most]
    for job in old:
        _drop(model, job)
        model.erase(job)
        model.count_and_say("cleaned", job)
    return [job.id for job in old]


def _drop(model: Model, job: ModelJob) -> None:
    """One that has not ended will never end."""
    model.totals["dropped"] += job.state not in FINISHED


def place_of(job: ModelJob) -> Place:
    """Where a job is in its state."""
    return (job.priority, job.turn) if job.state == "waiting" else (job.at,)


def step(model: Model, state: str, after: tuple[Place, str] | None, most: int) -> list[ModelJob]:
    """The next jobs of a state after a place, which may be nobody's by now."""
    return [job for job in model.of(state) if after is None or (place_of(job), job.id) > after][:most]


def retry_all(model: Model, jobs: list[ModelJob], wish: Wish, until: int, reset: bool) -> int:
    """Of some ended jobs, those that a run means: what ended after it began is left alone."""
    meant = [job for job in jobs if job.at <= until and wish.wants(job)]
    for job in meant:
        wait_again(model, job, reset)
    return len(meant)


def promote_all(model: Model, jobs: list[ModelJob], wish: Wish, until: int) -> int:
    """Of some delayed jobs, those that a run means: what was added or tried after it began is left alone."""
    meant = [job for job in jobs if max(job.added, job.tried_at) <= until and wish.wants(job)]
    for job in meant:
        wait_early(model, job)
    return len(meant)


def cancel_all(model: Model, jobs: list[ModelJob], wish: Wish, until: int, reason: str, now: int) -> int:
    """Of some jobs that have not started, those that a run means: what was added after it began is left alone."""
    meant = [job for job in jobs if job.added <= until and wish.wants(job)]
    for job in meant:
        model.close(job, "cancelled", now, reason)
    if meant:
        model.trim("cancelled")
    return len(meant)
