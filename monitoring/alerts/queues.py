"""Alerts about a queue: the platform's five, and what shows that jobs do not get through."""

from __future__ import annotations

from collections.abc import Callable

from callboard.catalogue import QueueSpec
from monitoring import limits
from monitoring.alerts.model import Alert
from monitoring.alerts.split import by_number
from monitoring.limits import HOLDS
from monitoring.site import Site

_QUEUE = "callboard-queue"

#: State -> (alert, the number above which it fires, what that tells).
COUNTED: dict[str, tuple[str, Callable[[QueueSpec], int], str]] = {
    "failed": ("FailedJobsHigh", lambda spec: spec.thresholds.failed, "Nobody looks at them until somebody retries."),
    "waiting": ("WaitingJobsHigh", lambda spec: spec.thresholds.waiting, "Workers do not keep up, or none is there."),
    "delayed": ("DelayedJobsHigh", lambda spec: spec.thresholds.delayed, "Many retries, or jobs added for later."),
    "active": ("ActiveJobsHigh", lambda spec: spec.thresholds.active, "More runs at once than this queue should need."),
}


def alerts(site: Site) -> list[Alert]:
    """All alerts about a queue, the platform's five first."""
    return [*five(site), *_not_moving(site), *_running(site)]


def five(site: Site) -> list[Alert]:
    """The platform's five, at the thresholds of the catalogue."""
    counts = [
        Alert(
            name=name,
            page="queues",
            expr=f"{jobs(state, share.matcher)} > {share.number}",
            hold=site.span(HOLDS.counts),
            severity="warning",
            summary=(
                f'{{{{ $labels.queue }}}}: {{{{ $value | printf "%.0f" }}}} {state} jobs, more than {share.number:,}'
            ),
            description=(
                f"Queue {{{{ $labels.queue }}}} has more than {share.number:,} {state} jobs: "
                f'{{{{ $value | printf "%.0f" }}}}. {tells}'
            ),
            dashboard=_QUEUE,
            why="The platform's threshold, from the queue catalogue; health calls the queue degraded at the same one.",
            labels=share.labels("threshold"),
        )
        for state, (name, number, tells) in COUNTED.items()
        for share in by_number(site.catalogue, number)
    ]
    paused = Alert(
        name="QueuePaused",
        page="queues",
        expr="queue:callboard_queue_paused:max > 0",
        hold=site.span(HOLDS.paused),
        severity="critical",
        summary="{{ $labels.queue }} is paused",
        description="Queue {{ $labels.queue }} is paused: no job of it starts until it is resumed.",
        dashboard=_QUEUE,
        why=(
            "The platform's. A forgotten pause is an outage that no count shows for long; so it wakes somebody, and "
            "the backlog that it makes does not wake them again."
        ),
    )
    return [*counts, paused]


def jobs(state: str, matcher: str = "") -> str:
    """The recorded count of jobs in a state."""
    return f'queue_state:callboard_queue_jobs:max{{state="{state}"{"," if matcher else ""}{matcher}}}'


def _not_moving(site: Site) -> list[Alert]:
    drain = limits.DRAIN_SECONDS // 60
    return [
        Alert(
            name="OldestWaitingTooOld",
            page="queues",
            expr=(
                "(\n"
                "  queue:callboard_queue_oldest_waiting_age_seconds:max\n"
                f"> on (queue)\n"
                f"  {limits.OLDEST_WAITING_TARGETS} * queue:callboard_queue_wait_target_seconds:max\n"
                ")\n"
                "unless on (queue) queue:callboard_queue_paused:max > 0"
            ),
            hold=site.span(HOLDS.oldest_waiting),
            severity="critical",
            summary="{{ $labels.queue }}: the oldest job has waited {{ $value | humanizeDuration }}",
            description=(
                "The oldest waiting job of {{ $labels.queue }} has waited {{ $value | humanizeDuration }}, more than "
                f"{limits.OLDEST_WAITING_TARGETS} × the queue's wait target. The queue is not paused."
            ),
            dashboard=_QUEUE,
            why=(
                "What users notice: their job is late. Not while the queue is paused, when jobs are meant to wait. The "
                "target comes from the metric, so that one rule serves queues of every target."
            ),
        ),
        Alert(
            name="QueueNotProcessed",
            page="queues",
            expr=(
                f"{jobs('waiting')} > 0\n"
                f"unless on (queue) {jobs('active')} > 0\n"
                "unless on (queue) queue:callboard_jobs_ended:rate5m > 0\n"
                "unless on (queue) queue:callboard_queue_paused:max > 0"
            ),
            hold=site.span(HOLDS.not_processed),
            severity="critical",
            summary="{{ $labels.queue }}: jobs wait and none is run",
            description=(
                'Queue {{ $labels.queue }} has {{ $value | printf "%.0f" }} waiting jobs. For '
                f"{HOLDS.not_processed} none was active and none has ended. The queue is not paused."
            ),
            dashboard=_QUEUE,
            why=(
                "Workers may live and still take nothing of a queue. Both signs are needed: long jobs are active and "
                "end rarely, short ones end between two scrapes and are never seen active. The rate looks back five "
                "minutes, so a queue that has just been busy is told that much later."
            ),
        ),
        Alert(
            name="BacklogGrowing",
            page="queues",
            expr=(
                f"queue:callboard_queue_drain_seconds:max > {limits.DRAIN_SECONDS}\n"
                "and on (queue) (\n"
                "  queue:callboard_queue_oldest_waiting_age_seconds:max\n"
                "> on (queue)\n"
                "  queue:callboard_queue_wait_target_seconds:max\n"
                ")\n"
                "unless on (queue) queue:callboard_queue_paused:max > 0"
            ),
            hold=site.span(HOLDS.backlog),
            severity="warning",
            summary="{{ $labels.queue }}: the backlog takes more than " + f"{drain} min to work off",
            description=(
                'At the present flow {{ if eq (printf "%.0f" $value) "+Inf" }}the backlog of {{ $labels.queue }} only '
                "grows{{ else }}it takes {{ $value | humanizeDuration }} to work off the backlog of {{ $labels.queue }}"
                f"{{{{ end }}}}; up to {drain} min are right. Its oldest job has waited longer than the wait target."
            ),
            dashboard=_QUEUE,
            why=(
                "Told before the counts are high. A busy queue in balance has a few waiting jobs and a drain time of "
                "any length; only when jobs wait longer than their target is that a backlog."
            ),
        ),
    ]


def _running(site: Site) -> list[Alert]:
    stalls = site.span(limits.STALL_RANGE)
    share = f"{limits.RETRY_SHARE:.0%}".replace("%", " %")
    return [
        Alert(
            name="JobStuck",
            page="queues",
            expr=(
                "queue:callboard_queue_oldest_active_age_seconds:max\n"
                "> on (queue)\n"
                f"{limits.STUCK_TIME_LIMITS} * queue:callboard_queue_time_limit_seconds:max"
            ),
            hold=site.span(HOLDS.stuck),
            severity="warning",
            summary="{{ $labels.queue }}: a job has run for {{ $value | humanizeDuration }}",
            description=(
                "The oldest running job of {{ $labels.queue }} started {{ $value | humanizeDuration }} ago, more than "
                f"{limits.STUCK_TIME_LIMITS} × the queue's time limit: the interrupt did not reach it."
            ),
            dashboard=_QUEUE,
            why=(
                "At its time limit an attempt is interrupted; code that blocks outside Python does not hear of it and "
                "keeps its thread. A job whose own time limit is above its queue's is told of as well."
            ),
        ),
        Alert(
            name="RetryStorm",
            page="queues",
            expr=(
                "queue:callboard_retries:rate5m / on (queue) queue:callboard_attempts:rate5m "
                f"> {limits.RETRY_SHARE}\n"
                f"and on (queue) queue:callboard_retries:rate5m > {limits.RETRIES_PER_SECOND}"
            ),
            hold=site.span(HOLDS.retries),
            severity="warning",
            summary="{{ $labels.queue }}: {{ $value | humanizePercentage }} of attempts are retried",
            description=(
                "{{ $value | humanizePercentage }} of the attempts of {{ $labels.queue }} within "
                f"{limits.FLOW_RANGE} ended in a retry, more than {share}, and more than {limits.RETRIES_PER_SECOND} a "
                "second: whatever the jobs call is asked again and again."
            ),
            dashboard=_QUEUE,
            why="Retries hide an outage of what jobs call, and add to its load. A few of a quiet queue do neither.",
        ),
        Alert(
            name="StalledJobs",
            page="queues",
            # Rounded: Prometheus reckons with what lies between its samples and the range, and makes 5.08 of 5.
            expr=f"round(max by (queue) (increase(callboard_jobs_stalled_total[{stalls}]))) > {limits.STALLS}",
            hold="",
            severity="warning",
            summary='{{ $labels.queue }}: {{ $value | printf "%.0f" }} jobs stalled',
            description=(
                f'{{{{ $value | printf "%.0f" }}}} jobs of {{{{ $labels.queue }}}} lost their worker within '
                f"{limits.STALL_RANGE}, more than {limits.STALLS}: worker processes die or hang."
            ),
            dashboard=_QUEUE,
            why=(
                "The lease of a running job ran out: its process was killed (memory), or its interpreter was held. It "
                "fires at once, as what it counts has happened; the range keeps it up long enough to be read."
            ),
        ),
    ]  # fmt: skip
