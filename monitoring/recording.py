"""Recording rules: series that alerts and panels share, each computed once.

Their names say level, metric and operation (prometheus.io/docs/practices/rules). Exporter replicas agree on a queue's
state and totals, so these take the maximum; what workers count is summed. A name keeps its window when time is scaled.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from monitoring import limits
from monitoring.site import Site


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording rule. ``expr``: with its ranges scaled for the site."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other, every ``interval``: a later one may read an earlier one."""

    name: str
    interval: str
    rules: list[Recording] = field(default_factory=list)


#: Gauges of the exporter, with a label for the queue.
_GAUGES = (
    "callboard_queue_paused",
    "callboard_queue_oldest_waiting_age_seconds",
    "callboard_queue_oldest_active_age_seconds",
    "callboard_queue_wait_target_seconds",
    "callboard_queue_time_limit_seconds",
    "callboard_queue_workers",
    "callboard_outbox_messages",
)
#: Totals from Redis.
_TOTALS = ("added", "completed", "failed", "cancelled", "retried", "stalled")
#: Windows of the share of errors that are averages of the shortest.
_WINDOWS = ("30m", "1h", "2h", "6h", "1d", "3d")


def groups(site: Site) -> list[Group]:
    """All recording rules."""
    interval = site.span(limits.INTERVAL)
    return [
        Group("callboard-recording-queues", interval, [*_state(site), *_flows(site)]),
        Group("callboard-recording-slo", interval, _levels(site)),
        # Ranges of days over one series a queue are cheap, but not needed more often than this.
        Group("callboard-recording-windows", site.span("1m"), _windows(site)),
    ]


def _state(site: Site) -> list[Recording]:
    # A scrape that fails ends its series at once, and with them every alert: so the last figures stay for a while.
    gap = site.span(limits.GAP_RANGE)
    jobs = f"max by (queue, state) (last_over_time(callboard_queue_jobs[{gap}]))"
    return [
        Recording("queue_state:callboard_queue_jobs:max", jobs),
        *(Recording(f"queue:{gauge}:max", f"max by (queue) (last_over_time({gauge}[{gap}]))") for gauge in _GAUGES),
    ]


def _flows(site: Site) -> list[Recording]:
    flow = site.span(limits.FLOW_RANGE)
    totals = [
        Recording(
            f"queue:callboard_jobs_{total}:rate5m", f"max by (queue) (rate(callboard_jobs_{total}_total[{flow}]))"
        )
        for total in _TOTALS
    ]
    attempts = [
        Recording(f"queue:callboard_{total}:rate5m", f"sum by (queue) (rate(callboard_{total}_total[{flow}]))")
        for total in ("attempts", "retries")
    ]
    ended = Recording(
        "queue:callboard_jobs_ended:rate5m",
        "queue:callboard_jobs_completed:rate5m\n"
        "+ on (queue) queue:callboard_jobs_failed:rate5m\n"
        "+ on (queue) queue:callboard_jobs_cancelled:rate5m",
    )
    # +Inf while the queue grows or stands; NaN when nothing waits and nothing moves, which no comparison is true of.
    drain = Recording(
        "queue:callboard_queue_drain_seconds:max",
        'queue_state:callboard_queue_jobs:max{state="waiting"}\n'
        "/ on (queue) clamp_min(queue:callboard_jobs_ended:rate5m - on (queue) queue:callboard_jobs_added:rate5m, 0)",
    )
    return [*totals, ended, drain, *attempts]


def _levels(site: Site) -> list[Recording]:
    flow, hour = site.span(limits.FLOW_RANGE), site.span("1h")
    rates = [
        Recording(
            f"queue_slo:callboard_slo_{count}:rate5m",
            f"sum by (queue, slo) (rate(callboard_slo_{count}_total[{flow}]))",
        )
        for count in ("eligible", "met")
    ]
    return [
        *rates,
        Recording(
            "queue_slo:callboard_slo_eligible:increase1h",
            f"sum by (queue, slo) (increase(callboard_slo_eligible_total[{hour}]))",
        ),
        # NaN while no job was eligible.
        Recording(
            "queue_slo:callboard_slo_errors:ratio_rate5m",
            "1 - queue_slo:callboard_slo_met:rate5m / on (queue, slo) queue_slo:callboard_slo_eligible:rate5m",
        ),
    ]


def _windows(site: Site) -> list[Recording]:
    # Averages of recorded rates: one series a queue instead of one a worker process that ever was, and each five
    # minutes weigh as much as they had jobs.
    return [
        Recording(
            f"queue_slo:callboard_slo_errors:ratio_rate{window}",
            f"1 - avg_over_time(queue_slo:callboard_slo_met:rate5m[{site.span(window)}])\n"
            f"/ on (queue, slo) avg_over_time(queue_slo:callboard_slo_eligible:rate5m[{site.span(window)}])",
        )
        for window in _WINDOWS
    ]
