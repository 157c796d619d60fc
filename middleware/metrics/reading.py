"""From what Redis told to samples: a function a part of the scrape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from callboard.catalogue import QueueSpec
from callboard.naming import NamedWorker
from callboard.schedules.definition import decoded
from callboard.schedules.state import Entry
from callboard.schedules.times import Times
from callboard.verbs.measures import DeploymentMeasures, QueueMeasures
from middleware.metrics.exported import Sheet

#: What could not be told, and why.
Problem = tuple[str, str]

#: Counters, and what each is called among a queue's totals.
_TOTALS = {f"callboard_jobs_{name}": name for name in (
    "added", "completed", "failed", "cancelled", "retried", "stalled", "deduplicated", "stale_finishes",
)}  # fmt: skip


def put_queue(sheet: Sheet, spec: QueueSpec, found: QueueMeasures) -> None:
    """A queue's own figures."""
    queue = spec.name
    for state, count in found.jobs.items():
        sheet.put("callboard_queue_jobs", count, queue, state)
    sheet.put("callboard_queue_paused", found.paused, queue)
    sheet.put("callboard_queue_oldest_waiting_age_seconds", found.oldest_waiting_age_s, queue)
    sheet.put("callboard_queue_oldest_active_age_seconds", found.oldest_active_age_s, queue)
    sheet.put("callboard_queue_wait_target_seconds", spec.wait_target_ms / 1000, queue)
    sheet.put("callboard_queue_time_limit_seconds", spec.time_limit_ms / 1000, queue)
    for metric, total in _TOTALS.items():
        sheet.put(metric, found.totals.get(total, 0), queue)
    sheet.put("callboard_outbox_messages", found.outbox, queue)


def put_workers(sheet: Sheet, specs: Sequence[QueueSpec], workers: Sequence[NamedWorker]) -> None:
    """The worker processes, and how many jobs of each queue they can run."""
    for worker in workers:
        name, record = worker.name, worker.record
        sheet.put("callboard_worker_last_heartbeat_timestamp_seconds", record.beat_ms / 1000, name)
        if worker.alive:
            sheet.put("callboard_worker_threads", record.threads, name)
            sheet.put("callboard_worker_threads_busy", record.busy, name)
    for spec in specs:
        threads = [each.record.threads for each in workers if each.alive and spec.name in each.record.queues]
        at_once = [min(each, spec.max_per_process or each) for each in threads]
        sheet.put("callboard_queue_workers", len(threads), spec.name)
        sheet.put("callboard_queue_slots", sum(at_once), spec.name)


def put_schedules(sheet: Sheet, found: DeploymentMeasures, queues: Mapping[str, QueueMeasures]) -> Iterator[Problem]:
    """The schedules, and the canaries of the ``queues`` that are known. Yields: what could not be read."""
    if found.ticked_ms:
        sheet.put("callboard_scheduler_last_tick_timestamp_seconds", found.ticked_ms / 1000)
    sheet.put("callboard_schedules_overdue", found.overdue)
    ticking = set()
    for entry in found.declared:
        if entry.last_s:
            sheet.put("callboard_schedule_last_run_timestamp_seconds", entry.last_s, entry.id)
        if not (entry.paused_ms or entry.ended):
            ticking.add(entry.id)
            interval = _expected_s(entry)
            if interval is not None:
                sheet.put("callboard_schedule_interval_seconds", interval, entry.id)
    for queue, measures in queues.items():
        canary = measures.canary
        # A deployment that had canaries and has none now is not to be told that they are late.
        if canary is not None and canary.actor in ticking:
            sheet.put("callboard_canary_last_completed_timestamp_seconds", canary.at_ms / 1000, queue)
    if found.damaged:
        yield f"schedules {', '.join(found.damaged)}", "damaged: delete them, the next worker declares them anew"


def _expected_s(entry: Entry) -> int | None:
    """From the last run of a schedule to the tick that it should run at next (seconds).

    Ticks that were passed over because the previous job had not ended, as it is on a paused queue, are not expected any
    more; those whose job could not be added are.
    """
    failing = entry.error_ms > entry.last_s * 1000
    if 0 < entry.last_s < entry.next_s and not failing:
        return entry.next_s - entry.last_s
    return _interval_s(entry.definition, entry.last_s or entry.next_s)


@lru_cache(maxsize=2048)
def _interval_s(definition: bytes, tick: int) -> int | None:
    """From a tick of a schedule to its next one (seconds); None when that was the last."""
    following = Times(decoded(definition)).after(tick)
    return None if following is None else following - tick


def put_policy(sheet: Sheet, found: DeploymentMeasures) -> Iterator[Problem]:
    """What Redis does when its memory is used up. Yields: that it does not say."""
    if found.policy is None:
        yield "maxmemory_policy", "Redis refuses INFO to this user, or does not tell it"
    else:
        sheet.put("callboard_redis_maxmemory_policy", 1, found.policy)
