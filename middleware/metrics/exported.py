"""What the exporter says of the queues: every metric that is read from Redis, with its labels and its meaning.

Names are contracts: rules, dashboards and docs/reference/metrics.md use them. The metrics of what a worker process
itself did are elsewhere in this package.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. ``name`` is without the ``_total`` of a counter and the ``_info`` of an info."""

    name: str
    kind: Literal["gauge", "counter", "info"]
    labels: tuple[str, ...]
    help: str

    @property
    def exposed(self) -> str:
        """The name of its series."""
        return {"gauge": self.name, "counter": f"{self.name}_total", "info": f"{self.name}_info"}[self.kind]


_QUEUE, _WORKER, _SCHEDULE = ("queue",), ("worker",), ("schedule",)

#: In the order in which they are exposed.
FAMILIES: tuple[Family, ...] = (
    Family("callboard_queue_jobs", "gauge", ("queue", "state"),
           "Jobs by state: waiting (those that a limit holds back among them), delayed, active, blocked, and what is "
           "kept of completed, failed, cancelled."),
    Family("callboard_queue_paused", "gauge", _QUEUE, "1 while the queue is paused."),
    Family("callboard_queue_oldest_waiting_age_seconds", "gauge", _QUEUE,
           "Age of the oldest job that waits, among the heads of at most 16 priorities; 0 when none waits."),
    Family("callboard_queue_oldest_active_age_seconds", "gauge", _QUEUE,
           "Time since the start of the oldest attempt that runs, among the 1,000 whose leases end first; 0 when none "
           "runs."),
    Family("callboard_queue_wait_target_seconds", "gauge", _QUEUE, "How long a job should wait at most."),
    Family("callboard_queue_time_limit_seconds", "gauge", _QUEUE, "An attempt that takes longer is interrupted."),
    Family("callboard_queue_workers", "gauge", _QUEUE, "Live worker processes that serve the queue."),
    Family("callboard_queue_slots", "gauge", _QUEUE,
           "Jobs of the queue that those processes can run at once: their threads, or the queue's limit per process."),
    Family("callboard_queue_memory_bytes", "gauge", _QUEUE,
           "Memory of the queue's keys in Redis, estimated from 20 elements of each key and up to 60 s old."),
    Family("callboard_jobs_added", "counter", _QUEUE, "Jobs added."),
    Family("callboard_jobs_completed", "counter", _QUEUE, "Jobs completed."),
    Family("callboard_jobs_failed", "counter", _QUEUE, "Jobs failed for good."),
    Family("callboard_jobs_cancelled", "counter", _QUEUE, "Jobs cancelled."),
    Family("callboard_jobs_retried", "counter", _QUEUE,
           "Retries after a failed attempt, and those that operators asked for."),
    Family("callboard_jobs_stalled", "counter", _QUEUE, "Starts that were lost with their worker."),
    Family("callboard_jobs_deduplicated", "counter", _QUEUE, "Adds that a deduplication key answered."),
    Family("callboard_jobs_stale_finishes", "counter", _QUEUE,
           "Attempts that ended after their job had gone to another worker; they changed nothing."),
    Family("callboard_outbox_messages", "gauge", _QUEUE, "Messages of the queue on their way to other queues."),
    Family("callboard_canary_last_completed_timestamp_seconds", "gauge", _QUEUE,
           "When a canary job last got through the queue. Absent without a canary, and while its schedule is paused."),
    Family("callboard_worker_last_heartbeat_timestamp_seconds", "gauge", _WORKER,
           "When the worker process last spoke. A process that ended without a word is forgotten after 10 minutes."),
    Family("callboard_worker_threads", "gauge", _WORKER, "Threads of the live worker process."),
    Family("callboard_worker_threads_busy", "gauge", _WORKER, "Those of them that run a job."),
    Family("callboard_scheduler_last_tick_timestamp_seconds", "gauge", (),
           "When a worker last looked for schedules that are due."),
    Family("callboard_schedule_last_run_timestamp_seconds", "gauge", _SCHEDULE,
           "The last tick of a schedule that an actor declares. Absent before its first."),
    Family("callboard_schedule_interval_seconds", "gauge", _SCHEDULE,
           "From that tick to the next one that is not passed over because the previous job has not ended. Absent "
           "while the schedule is paused, and once it has ended."),
    Family("callboard_schedules_overdue", "gauge", (),
           "Schedules that no actor declares, and that no worker has looked at within 60 s of their time."),
    Family("callboard_redis_maxmemory_policy", "info", ("policy",), "What Redis does when its memory is used up."),
    Family("callboard_exporter_collect_success", "gauge", ("collector",),
           "1 when this part of the scrape succeeded. What could not be read is absent, never 0."),
    Family("callboard_exporter_collect_duration_seconds", "gauge", ("collector",),
           "What this part of the scrape took, the one round trip to Redis for all parts included."),
    Family("callboard_build", "info", ("version", "component"), "The version of Callboard that runs here."),
)  # fmt: skip

_BY_NAME = {family.name: family for family in FAMILIES}


class Sheet:
    """Samples under way to a scrape. A metric without a sample is not exposed."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}

    def put(self, name: str, value: float, *labels: str) -> None:
        """Note a sample; ``labels`` in the order of the family's.

        Raises: KeyError for a metric that is not listed, ValueError for labels that are not its own.
        """
        family = _BY_NAME[name]
        if len(labels) != len(family.labels):
            raise ValueError(f"{name} has the labels {family.labels}, not {len(labels)}")
        metric = self._metrics.get(name) or self._metrics.setdefault(name, empty(family))
        if isinstance(metric, InfoMetricFamily):
            metric.add_metric([], dict(zip(family.labels, labels, strict=True)))
        elif isinstance(metric, GaugeMetricFamily | CounterMetricFamily):
            metric.add_metric(labels, value)

    def merge(self, other: Sheet) -> None:
        """Take over what ``other`` has; no metric may be in both."""
        self._metrics |= other._metrics

    def metrics(self) -> Iterator[Metric]:
        """What was noted, in the order of ``FAMILIES``."""
        return (self._metrics[family.name] for family in FAMILIES if family.name in self._metrics)


def empty(family: Family) -> Metric:
    """A metric without samples."""
    if family.kind == "info":
        return InfoMetricFamily(family.name, family.help)
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    return kind(family.name, family.help, labels=family.labels)
