"""Alerts about schedules, canaries, and messages between queues."""

from __future__ import annotations

from monitoring import limits
from monitoring.alerts.model import Alert
from monitoring.limits import HOLDS
from monitoring.site import Site

_DASHBOARD = "callboard-schedules"


def alerts(site: Site) -> list[Alert]:
    """All alerts about schedules, canaries and outboxes."""
    return [*_ticking(site), *_getting_through(site)]


def _ticking(site: Site) -> list[Alert]:
    overdue_why = (
        "Its ticks are made up for as the schedule says, but what should have run by now has not. A cron line that is "
        "refused, a full queue, or a schedule whose job is never done is seen here and not by SchedulerMissing."
    )
    return [
        Alert(
            name="SchedulerMissing",
            page="schedules",
            # Absent while no worker has ever ticked: +Inf seconds ago then.
            expr=(
                f"time() - max(callboard_scheduler_last_tick_timestamp_seconds) > {limits.TICK_SECONDS}\n"
                "or (\n"
                "  absent(callboard_scheduler_last_tick_timestamp_seconds) / 0\n"
                '  and on () callboard_exporter_collect_success{collector="schedules"} > 0\n'
                ")"
            ),
            hold=site.span(HOLDS.scheduler),
            severity="critical",
            summary="No worker ticks the schedules",
            description=(
                'Schedules were {{ if eq (printf "%.0f" $value) "+Inf" }}never ticked{{ else }}last ticked '
                f"{{{{ $value | humanizeDuration }}}} ago, more than {limits.TICK_SECONDS} s{{{{ end }}}}: no job is "
                "added by a schedule."
            ),
            dashboard=_DASHBOARD,
            why=(
                "Any live worker process ticks, so this says that none lives, or that Redis refuses what they ask. It "
                "also tells when all workers are gone while no queue has a job."
            ),
            about="",
        ),
        Alert(
            name="ScheduleOverdue",
            page="schedules",
            expr=(
                "time() - max by (schedule) (callboard_schedule_last_run_timestamp_seconds)\n"
                "> on (schedule)\n"
                "max by (schedule) (callboard_schedule_interval_seconds) + "
                f"{limits.SCHEDULE_SECONDS}"
            ),
            hold=site.span(HOLDS.schedule),
            severity="warning",
            summary="Schedule {{ $labels.schedule }} is overdue",
            description=(
                "Schedule {{ $labels.schedule }} last made a job {{ $value | humanizeDuration }} ago, more than its "
                f"interval and {limits.SCHEDULE_SECONDS} s."
            ),
            dashboard=_DASHBOARD,
            why=overdue_why,
            about="schedule",
        ),
        Alert(
            name="ScheduleOverdue",
            page="schedules",
            expr="max(callboard_schedules_overdue) > 0",
            hold=site.span(HOLDS.schedule),
            severity="warning",
            summary="Schedules that users made are overdue",
            description='{{ $value | printf "%.0f" }} schedules that were made at run time are overdue.',
            dashboard=_DASHBOARD,
            why=overdue_why + " Schedules made at run time are many, so they are counted and not named.",
            about="",
            labels={"schedule": "others"},
        ),
    ]  # fmt: skip


def _getting_through(site: Site) -> list[Alert]:
    outbox = f"queue:callboard_outbox_messages:max[{site.span(limits.OUTBOX_RANGE)}]"
    targets = limits.OLDEST_WAITING_TARGETS
    return [
        Alert(
            name="CanaryLate",
            page="schedules",
            expr=(
                "(\n"
                "  time() - max by (queue) (callboard_canary_last_completed_timestamp_seconds)\n"
                "> on (queue)\n"
                f"  {targets} * queue:callboard_queue_wait_target_seconds:max + {limits.CANARY_SECONDS}\n"
                ")\n"
                "unless on (queue) queue:callboard_queue_paused:max > 0"
            ),
            hold=site.span(HOLDS.canary),
            severity="critical",
            summary="{{ $labels.queue }}: no canary job came through for {{ $value | humanizeDuration }}",
            description=(
                "The last canary job of {{ $labels.queue }} completed {{ $value | humanizeDuration }} ago, more than "
                f"{targets} × the queue's wait target and {limits.CANARY_SECONDS} s. The queue is not paused."
            ),
            dashboard=_DASHBOARD,
            why=(
                "The whole way of a job, from its schedule to its commit, on each queue each minute: it fails also "
                "when every single figure looks right. It may wait as long as other jobs of its queue may."
            ),
        ),
        Alert(
            name="OutboxStuck",
            page="schedules",
            expr=f"min_over_time({outbox}) > 0\nunless on (queue) resets({outbox}) > 0",
            hold=site.span(HOLDS.outbox),
            severity="warning",
            summary='{{ $labels.queue }}: at least {{ $value | printf "%.0f" }} messages to other queues are stuck',
            description=(
                'The outbox of {{ $labels.queue }} has held at least {{ $value | printf "%.0f" }} messages for '
                f"{limits.OUTBOX_RANGE} and did not shrink: next links of chains, parents of flows and callbacks "
                "are not delivered."
            ),
            dashboard=_DASHBOARD,
            why=(
                "A busy flow has messages on their way at every scrape, but their number falls now and then. One that "
                "is stuck keeps it from falling to zero, and growth alone is no fall."
            ),
        ),
    ]  # fmt: skip
