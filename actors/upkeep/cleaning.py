"""The clean: ended jobs that are older than an age go, queue by queue, in batches, one run of a kind at a time."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal

import structlog

from actors.upkeep.payload import CleanPolicy
from actors.upkeep.steps import MaintenanceStep
from callboard.catalogue import QueueSpec
from callboard.current import CurrentJob
from callboard.errors import PermanentError, StoreRefused, StoreUnavailable, UnknownQueue
from callboard.service import QueueService
from callboard.steps import reached
from callboard.verbs import locks

log = structlog.get_logger(__name__)

#: How long a run that is not heard of keeps others away (ms). It is heard of before every batch.
LOCK_MS = 60_000

Kind = Literal["completed", "failed"]


class LockLost(Exception):
    """The run was held up for so long that its lock expired and another run took it. The next attempt looks again."""


class _Tally:
    """What the job has removed, over all its attempts: kept as a checkpoint.

    An operator who retries a clean that had ended wants another one: its count begins anew then.
    """

    NAME = "removed"

    def __init__(self, job: CurrentJob) -> None:
        self._job = job
        kept = job.checkpoint(self.NAME)
        is_another = kept is not None and kept["ended"] and kept["attempt"] != job.attempt
        self.removed: dict[str, int] = {} if kept is None or is_another else kept["queues"]

    def add(self, queue: str, count: int) -> None:
        self.removed[queue] = self.removed.get(queue, 0) + count
        self._keep(ended=False)

    def end(self) -> None:
        self._keep(ended=True)

    def _keep(self, *, ended: bool) -> None:
        self._job.checkpoint(self.NAME, {"queues": self.removed, "attempt": self._job.attempt, "ended": ended})


def clean(service: QueueService, kind: Kind, policy: CleanPolicy, job: CurrentJob) -> dict[str, Any]:
    """Remove, or with ``dry_run`` count, the jobs that ended as ``kind`` and that ``policy`` means.

    Returns: ``{"removed": {queue: n}, "total", "more": [queues with jobs left by the limit], "dry_run"}``; while
    another run of this kind holds the lock, ``{"skipped": "another run holds the lock", "holder": its job id}`` as
    well, and nothing more was removed.

    Raises:
        PermanentError: the policy names a queue that is not in the catalogue.
        LockLost, StoreUnavailable, StoreRefused: the next attempt goes on where this one stopped.
    """
    specs = _targets(service, policy)
    if policy.dry_run:
        return _count(service, kind, policy, specs)
    lock = locks.take(service.store, f"clean-{kind}", job.id, LOCK_MS)
    tally = _Tally(job)
    if not lock.taken:
        job.log(f"another run holds the lock: job {lock.owner}")
        log.info("clean skipped", kind=kind, job_id=job.id, holder=lock.owner)
        skipped = {"skipped": "another run holds the lock", "holder": lock.owner}
        return {**_result(tally.removed, [], dry_run=False), **skipped}
    try:
        reached(MaintenanceStep.LOCK_TAKEN)
        more = _clean_all(service, kind, policy, specs, job, lock, tally)
    finally:
        # Redis may be what ended the run: the lock expires then.
        with suppress(StoreUnavailable, StoreRefused):
            locks.give_back(service.store, lock)
    tally.end()
    reached(MaintenanceStep.LOCK_RETURNED)
    log.info("clean ended", kind=kind, job_id=job.id, removed=tally.removed, more=more)
    return _result(tally.removed, more, dry_run=False)


def _targets(service: QueueService, policy: CleanPolicy) -> list[QueueSpec]:
    names = list(service.catalogue) if policy.queues is None else list(dict.fromkeys(policy.queues))
    try:
        return [service.catalogue[name] for name in names]
    except UnknownQueue as error:
        raise PermanentError(f"the policy is no good: {error}") from None


def _age_s(spec: QueueSpec, kind: Kind, policy: CleanPolicy) -> float:
    if policy.older_than_s is not None:
        return policy.older_than_s
    return (spec.keep_completed_ms if kind == "completed" else spec.keep_failed_ms) / 1000


def _count(service: QueueService, kind: Kind, policy: CleanPolicy, specs: list[QueueSpec]) -> dict[str, Any]:
    old = {spec.name: service.count_old_jobs(spec.name, kind, _age_s(spec, kind, policy)) for spec in specs}
    more = [name for name, count in old.items() if count > policy.limit]
    return _result({name: min(count, policy.limit) for name, count in old.items()}, more, dry_run=True)


def _clean_all(
    service: QueueService,
    kind: Kind,
    policy: CleanPolicy,
    specs: list[QueueSpec],
    job: CurrentJob,
    lock: locks.Lock,
    tally: _Tally,
) -> list[str]:
    """Clean the queues one after the other. Returns: those that the limit left jobs in."""
    unfinished = []
    for done, spec in enumerate(specs):
        more = True
        while more and (left := policy.limit - tally.removed.get(spec.name, 0)) > 0:
            if not locks.keep(service.store, lock, LOCK_MS):
                raise LockLost
            batch = min(policy.batch_size, left)
            ids, more = service.clean_queue(spec.name, kind, _age_s(spec, kind, policy), batch)
            reached(MaintenanceStep.BATCH_REMOVED)
            tally.add(spec.name, len(ids))
            job.progress({"queue": spec.name, "removed": sum(tally.removed.values()), "done": done, "of": len(specs)})
        if more and service.count_old_jobs(spec.name, kind, _age_s(spec, kind, policy)):
            unfinished.append(spec.name)
        reached(MaintenanceStep.QUEUE_CLEANED)
    return unfinished


def _result(removed: dict[str, int], more: list[str], *, dry_run: bool) -> dict[str, Any]:
    return {"removed": removed, "total": sum(removed.values()), "more": more, "dry_run": dry_run}
