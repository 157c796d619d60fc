"""QueueService: send and see jobs without importing actors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from callboard.catalogue import Priority, QueueSpec
from callboard.door import check_names, delay_in_ms
from callboard.errors import CallboardError, UnknownActor
from callboard.flows import steering as flow_steering
from callboard.flows.operations import FlowOperations
from callboard.flows.plan import Step
from callboard.health import Health, QueueHealth
from callboard.ids import new_id
from callboard.records import JobView
from callboard.registry import ActorRegistry
from callboard.schedules.operations import ScheduleOperations
from callboard.settings import Settings
from callboard.shown import shown_job
from callboard.store.store import Store, open_store
from callboard.verbs import bulk, fleet, health, looking, reports, steering, telling
from callboard.verbs.add import ADDED, MAX_BATCH_BYTES, MAX_BATCH_JOBS, NewJob, add
from callboard.verbs.bulk import Found, JobFilter, Progress
from callboard.verbs.health import NotedHealth
from callboard.verbs.looking import JobPage, QueueStats
from callboard.verbs.reports import Report
from callboard.verbs.result import get_result
from callboard.verbs.steering import ALL_STATES, Outcome
from callboard.verbs.telling import Event, JobDetails


@dataclass(frozen=True, slots=True)
class AddResult:
    """What became of one job: ``status`` is "added", or "duplicate" when a job of that id exists (nothing changed)."""

    id: str
    queue: str
    status: str


@dataclass(slots=True)
class JobSpec:
    """One job of :meth:`QueueService.add_jobs`. ``delay`` in seconds; ``run_at`` with a time zone."""

    actor: str
    payload: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    delay: float | None = None
    run_at: datetime | None = None
    options: dict[str, Any] = field(default_factory=dict)


class PartlyAdded(CallboardError):
    """A call of several batches failed on the way: ``landed`` has the results of the batches that were added."""

    def __init__(self, landed: list[AddResult], total: int, cause: Exception) -> None:
        super().__init__(f"{len(landed)} of {total} jobs were added, then: {cause}")
        self.landed = landed


class QueueService(FlowOperations, ScheduleOperations):
    """Operations on the queues of a deployment.

    Every method takes the queue's name first and raises ``UnknownQueue`` when the catalogue has no such queue,
    ``StoreUnavailable`` when Redis does not answer in time.
    """

    def __init__(self, settings: Settings | None = None, *, store: Store | None = None) -> None:
        self.settings = settings or Settings()
        self.catalogue = self.settings.catalogue
        self.store = store or open_store(self.settings)
        self._registry = ActorRegistry(self.store)

    def close(self) -> None:
        """Close the connections to Redis."""
        self.store.close()

    # Adding

    def add_job(
        self,
        queue: str,
        actor: str,
        payload: dict[str, Any] | None = None,
        *,
        id: str | None = None,
        delay: float | None = None,
        run_at: datetime | None = None,
        **options: Any,
    ) -> AddResult:
        """Add one job; ``payload`` becomes the actor's keyword arguments.

        ``delay`` is in seconds, ``run_at`` a datetime with a zone. ``options``: priority (1…1000, lower runs first),
        workspace, tags, max_attempts, backoff, backoff_base_ms, backoff_cap_ms, time_limit (ms).

        Raises: UnknownActor, InvalidOption, PayloadInvalid, PayloadTooLarge, QueueFull; nothing was added then.
        """
        spec = self.catalogue[queue]
        job_id, job = self._admit(spec, JobSpec(actor, {} if payload is None else payload, id, delay, run_at, options))
        code = add(self.store, spec, [job])
        return AddResult(job_id, queue, "added" if code == ADDED else "duplicate")

    def add_jobs(self, queue: str, jobs: Iterable[JobSpec]) -> list[AddResult]:
        """Add many jobs, in batches of at most 150 jobs and 1 MiB, each added as a whole or not at all.

        All jobs are checked before the first is added.

        Raises: as :meth:`add_job`; PartlyAdded when a later batch failed, with the results of those that landed.
        """
        spec = self.catalogue[queue]
        admitted = [self._admit(spec, job) for job in jobs]
        results: list[AddResult] = []
        for batch in _batches(admitted):
            try:
                codes = add(self.store, spec, [job for _, job in batch])
            except CallboardError as error:
                if not results:
                    raise
                raise PartlyAdded(results, len(admitted), error) from error
            results += [
                AddResult(job_id, queue, "added" if code == ADDED else "duplicate")
                for (job_id, _), code in zip(batch, codes, strict=True)
            ]
        return results

    def add_high_priority_job(self, queue: str, actor: str, payload: dict[str, Any], **options: Any) -> AddResult:
        """:meth:`add_job` at priority HIGH."""
        return self.add_job(queue, actor, payload, priority=Priority.HIGH, **options)

    def add_low_priority_job(self, queue: str, actor: str, payload: dict[str, Any], **options: Any) -> AddResult:
        """:meth:`add_job` at priority LOW."""
        return self.add_job(queue, actor, payload, priority=Priority.LOW, **options)

    def add_delayed_job(
        self, queue: str, actor: str, payload: dict[str, Any], delay: float, **options: Any
    ) -> AddResult:
        """:meth:`add_job`, to run ``delay`` seconds from now."""
        return self.add_job(queue, actor, payload, delay=delay, **options)

    def _admit(self, spec: QueueSpec, job: JobSpec) -> tuple[str, NewJob]:
        check_names(job.options, self.settings.job_options)
        job_id = new_id() if job.id is None else job.id
        delay_ms = delay_in_ms(job.delay)
        return job_id, self._registry.admit(
            spec, job.actor, job.payload, job.options, job_id, delay_ms=delay_ms, run_at=job.run_at
        )

    def _admit_step(self, step: Step) -> tuple[str, NewJob]:
        job = JobSpec(step.actor, step.payload, step.id, step.delay, step.run_at, step.options)
        return self._admit(self.catalogue[step.queue], job)

    # Seeing

    def get_job(self, queue: str, job_id: str) -> JobView:
        """One job with its attempts.

        Raises: JobNotFound when it never was or its retention has passed; InvalidOption when it cannot be an id.
        """
        return looking.get_job(self.store, self.catalogue[queue].name, job_id)

    def masked(self, job: JobView) -> JobView:
        """``job`` as it may be shown: without the secrets of its payload, as the schema that its actor published and
        the names of the fields say, and of its texts (:mod:`callboard.masking`).

        Raises: StoreUnavailable.
        """
        try:
            schema = self._registry.find(job.actor, job.queue).schema
        except UnknownActor:
            schema = None
        return shown_job(job, schema)

    def get_result(self, queue: str, job_id: str, timeout: float | None = None) -> Any:
        """What a job returned; waits up to ``timeout`` seconds for one that has not ended.

        Returns: the value; None for a completed job without a stored result: it returned None, or its actor says
            ``store_results=False``.
        Raises: ResultMissing when the job has not ended (in time), or its ``result_ttl`` has passed; JobFailed, with
            its reason and error type, when it failed or was cancelled; JobNotFound; InvalidOption.
        """
        return get_result(self.store, self.catalogue[queue].name, job_id, timeout)

    def get_queue_stats(self, queue: str) -> QueueStats:
        """Counts a state, paused, the oldest waiting job's age, totals."""
        name = self.catalogue[queue].name
        verb, _, args = looking.stats_call(name)
        return looking.queue_stats(name, self.store.call(verb, name, args))

    def get_all_queue_stats(self) -> list[QueueStats]:
        """The stats of every queue, in catalogue order, in one round trip."""
        replies = self.store.pipeline([looking.stats_call(name) for name in self.catalogue])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return [looking.queue_stats(name, reply) for name, reply in zip(self.catalogue, replies, strict=True)]

    def list_jobs(self, queue: str, state: str, limit: int = 50, cursor: str | None = None) -> JobPage:
        """A page of the jobs in ``state``: ended ones newest first, others in the order in which they will run.

        Raises: InvalidOption for an unknown state, a limit outside 1…200 or a cursor that is not one.
        """
        return looking.list_jobs(self.store, self.catalogue[queue].name, state, limit=limit, cursor=cursor)

    def get_waiting_jobs(self, queue: str, limit: int = 50, cursor: str | None = None) -> JobPage:
        """A page of the waiting jobs, in the order in which they will run."""
        return self.list_jobs(queue, "waiting", limit, cursor)

    def get_delayed_jobs(self, queue: str, limit: int = 50, cursor: str | None = None) -> JobPage:
        """A page of the delayed and retrying jobs, next due first."""
        return self.list_jobs(queue, "delayed", limit, cursor)

    def get_active_jobs(self, queue: str, limit: int = 50, cursor: str | None = None) -> JobPage:
        """A page of the jobs that run or were handed to a worker."""
        return self.list_jobs(queue, "active", limit, cursor)

    def get_completed_jobs(self, queue: str, limit: int = 50, cursor: str | None = None) -> JobPage:
        """A page of the completed jobs, newest first."""
        return self.list_jobs(queue, "completed", limit, cursor)

    def get_failed_jobs(self, queue: str, limit: int = 50, cursor: str | None = None) -> JobPage:
        """A page of the failed jobs, newest first."""
        return self.list_jobs(queue, "failed", limit, cursor)

    def get_workers(self) -> list[fleet.WorkerRecord]:
        """The worker processes heard of within the last ten minutes."""
        return fleet.workers(self.store)

    def find_jobs(
        self,
        queue: str,
        only: JobFilter,
        *,
        states: Sequence[str] = ALL_STATES,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Found:
        """Jobs that ``only`` wants, at most ``limit`` a page; may end early with a cursor when it has read much."""
        return bulk.find(self.store, self.catalogue[queue].name, only, states=states, limit=limit, cursor=cursor)

    def get_job_details(self, queue: str, job_id: str) -> JobDetails:
        """What a job has said of itself: log lines, progress, checkpoints."""
        return telling.details(self.store, self.catalogue[queue].name, job_id)

    def get_events(self, queue: str, after: str = "0", limit: int = 100) -> list[Event]:
        """Events of a queue after the event of id ``after``, oldest first."""
        return telling.events(self.store, self.catalogue[queue].name, after, limit)

    def get_history(self, queue: str, minutes: int = 60) -> dict[str, list[tuple[int, int]]]:
        """Counts a minute over the last ``minutes``: what -> [(start of the minute in ms, count), …]."""
        return telling.history(self.store, self.catalogue[queue].name, minutes)

    # Health and reports

    def get_queue_health(self, queue: str) -> QueueHealth:
        """Whether a queue is healthy now, and why not. Redis away is a finding, not an error."""
        return health.look(self.store, [self.catalogue[queue]]).queues[0]

    def get_health(self) -> Health:
        """Whether each queue is healthy now, in one round trip, and the deployment as its worst queue."""
        return health.look(self.store, self.catalogue.values())

    def check_health(self) -> tuple[Health, list[str]]:
        """Look at every queue and note it; changes become events. Returns: the finding, the queues that changed."""
        found = self.get_health()
        return found, health.note(self.store, found)

    def get_noted_health(self, queue: str) -> NotedHealth | None:
        """What the last check found of a queue, and since when; None when there was none."""
        return health.noted(self.store, self.catalogue[queue].name)

    def make_report(self, report_id: str) -> Report:
        """Measure every queue and keep it under ``report_id`` for a day; one that is kept under it already stays."""
        return reports.keep(self.store, report_id, reports.measure(self.store, self.catalogue))

    def get_reports(self, since: datetime | None = None, limit: int = 24) -> list[Report]:
        """The reports of the last day made at or after ``since`` (with a zone), newest first, at most ``limit``."""
        return reports.read(self.store, since, limit)

    # Steering one job. Each says what it did: "done", "told" (the worker that runs the job hears of it within a second)
    # or "already"; each raises JobNotFound, and WrongState with the job's present state.

    def remove_job(self, queue: str, job_id: str, *, force: bool = False, children: bool = False) -> Outcome:
        """Remove a job and all that is kept about it. An active one is refused, or with ``force`` cancelled first.

        ``children``: the jobs that it waits for, and all below them, go before it.
        """
        if children:
            flow_steering.remove_below(self.store, self.catalogue, self.catalogue[queue].name, job_id, force=force)
        return steering.remove(self.store, self.catalogue[queue].name, job_id, force=force)

    def retry_job(self, queue: str, job_id: str, *, reset_attempts: bool = False) -> Outcome:
        """Let an ended job wait again, at its own priority; its history is kept."""
        return steering.retry(self.store, self.catalogue[queue], job_id, reset_attempts=reset_attempts)

    def promote_job(self, queue: str, job_id: str) -> Outcome:
        """Let a delayed job wait now."""
        return steering.promote(self.store, self.catalogue[queue], job_id)

    def cancel_job(self, queue: str, job_id: str, reason: str = "") -> Outcome:
        """Cancel a job: at once when it has not started; a running actor is interrupted within a second."""
        return steering.cancel(self.store, self.catalogue[queue], job_id, reason)

    def reprioritise_job(self, queue: str, job_id: str, priority: int) -> Outcome:
        """Change the priority (1…1000, lower runs first) of a job that has not started."""
        return steering.reprioritise(self.store, self.catalogue[queue], job_id, priority)

    def reschedule_job(
        self, queue: str, job_id: str, *, delay: float | None = None, run_at: datetime | None = None
    ) -> Outcome:
        """Change when a waiting or delayed job runs: in ``delay`` seconds, or at ``run_at`` (with a zone)."""
        return steering.reschedule(self.store, self.catalogue[queue], job_id, delay=delay, run_at=run_at)

    def edit_job(self, queue: str, job_id: str, payload: dict[str, Any]) -> Outcome:
        """Replace the payload of a job that has not started. Raises: PayloadChanged, PayloadInvalid."""
        spec = self.catalogue[queue]
        return steering.edit_payload(self.store, spec, job_id, payload, partial(self._registry.takes, spec.name))

    # Steering many, in steps that never hold Redis for long; ``progress(changed, looked_at)`` is called after each.

    def retry_all(
        self,
        queue: str,
        *,
        state: str = "failed",
        only: JobFilter | None = None,
        reset_attempts: bool = False,
        progress: Progress | None = None,
    ) -> int:
        """Let all ended jobs of ``state`` wait again, those that ``only`` wants. Returns: how many."""
        return bulk.retry_all(
            self.store, self.catalogue[queue], state=state, only=only, reset_attempts=reset_attempts, progress=progress
        )

    def promote_all(self, queue: str, *, only: JobFilter | None = None, progress: Progress | None = None) -> int:
        """Let all delayed jobs wait now, those that ``only`` wants. Returns: how many."""
        return bulk.promote_all(self.store, self.catalogue[queue], only=only, progress=progress)

    def cancel_all(
        self,
        queue: str,
        *,
        state: str = "waiting",
        only: JobFilter | None = None,
        reason: str = "",
        progress: Progress | None = None,
    ) -> int:
        """Cancel all jobs of ``state`` (waiting, delayed, blocked), those that ``only`` wants. Returns: how many."""
        spec = self.catalogue[queue]
        return bulk.cancel_all(self.store, spec, state=state, only=only, reason=reason, progress=progress)

    def drain_queue(self, queue: str, *, delayed: bool = False, progress: Progress | None = None) -> int:
        """Remove what waits, and what is delayed if asked. Returns: how many."""
        return bulk.drain(self.store, self.catalogue[queue], delayed=delayed, progress=progress)

    def clean_queue(self, queue: str, state: str, older_than: float, limit: int = 1_000) -> tuple[list[str], bool]:
        """Remove jobs of ``state`` older than ``older_than`` seconds. Returns: their ids, whether there may be more."""
        return bulk.clean(self.store, self.catalogue[queue], state, older_than, limit)

    def count_old_jobs(self, queue: str, state: str, older_than: float) -> int:
        """How many ended jobs of ``state`` are older than ``older_than`` seconds, so that a clean would remove them."""
        return bulk.count_old(self.store, self.catalogue[queue], state, older_than)

    def obliterate_queue(self, queue: str, *, force: bool = False) -> None:
        """Remove everything of a queue. Raises: QueueBusy while jobs are active or its outbox holds messages."""
        bulk.obliterate(self.store, self.catalogue[queue], force=force)

    def pause_queue(self, queue: str, reason: str = "", by: str = "") -> bool:
        """Stop starting jobs of ``queue``; running ones finish and adds still land. Idempotent.

        Takes effect in every worker within one second.

        Returns: True if this call paused it, False if it was paused already.
        """
        return looking.pause(self.store, self.catalogue[queue].name, reason, by)

    def resume_queue(self, queue: str) -> bool:
        """Start jobs of ``queue`` again. Returns True if this call resumed it, False if it was not paused."""
        return looking.resume(self.store, self.catalogue[queue].name)


def _batches(admitted: Sequence[tuple[str, NewJob]]) -> Iterable[list[tuple[str, NewJob]]]:
    batch: list[tuple[str, NewJob]] = []
    size = 0
    for pair in admitted:
        weight = len(pair[1].payload)
        if batch and (len(batch) == MAX_BATCH_JOBS or size + weight > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(pair)
        size += weight
    if batch:
        yield batch


__all__ = ["AddResult", "JobSpec", "PartlyAdded", "QueueService"]
