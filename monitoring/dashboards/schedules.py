"""Do schedules tick, and do canary jobs get through every queue?"""

from __future__ import annotations

from monitoring import limits
from monitoring.dashboards import templating, thresholds
from monitoring.dashboards.links import to_board
from monitoring.dashboards.model import Board, Column, Panel, Query, Row, Table
from monitoring.site import Site

_TICK = "time() - max(callboard_scheduler_last_tick_timestamp_seconds)"
_LAST = "time() - max by (schedule) (callboard_schedule_last_run_timestamp_seconds)"
_INTERVAL = "max by (schedule) (callboard_schedule_interval_seconds)"
_CANARY = 'time() - max by (queue) (callboard_canary_last_completed_timestamp_seconds{queue=~"$queue"})'
_CANARY_LIMIT = (
    f"{limits.OLDEST_WAITING_TARGETS} * "
    'queue:callboard_queue_wait_target_seconds:max{queue=~"$queue"} + ' + f"{limits.CANARY_SECONDS}"
)


def board(_: Site) -> Board:
    """Schedules and canary."""
    return Board(
        uid="callboard-schedules", title="Callboard / 5 Schedules and canary", runbook="schedules",
        purpose="Do schedules tick, and do canary jobs get through every queue?",
        variables=(templating.QUEUE,),
        rows=(
            Row("", _now()),
            Row("Schedules", (_table(), _ticks(), _lateness(), _overdue())),
            Row("Canary", (_canaries(), _canary_ages())),
        ),
    )  # fmt: skip


def _now() -> tuple[Panel, ...]:
    late = f"count(({_LAST}) > on (schedule) ({_INTERVAL} + {limits.SCHEDULE_SECONDS})) or vector(0)"
    return (
        Panel(
            "Last tick", "How long ago a worker looked for what is due. It should be a second or two.", "s",
            (Query(_TICK),), kind="stat", width=6, height=4, steps=thresholds.above(limits.TICK_SECONDS),
            empty="nobody has ticked yet",
        ),
        Panel(
            "Late schedules", "Schedules of the code whose last run is longer ago than their interval allows.", "none",
            (Query(late),), kind="stat", width=6, height=4, steps=thresholds.above(1),
        ),
        Panel(
            "Overdue now", "Schedules that were made at run time and that nobody has looked at in time.",
            "none", (Query("max(callboard_schedules_overdue)"),),
            kind="stat", width=6, height=4, steps=thresholds.above(1), empty="the exporter does not answer",
        ),
        Panel(
            "Oldest canary",
            "A canary job goes through every queue each minute. Old: that queue lets nothing through, whatever its "
            "counts say.",
            "s", (Query(f"max({_CANARY})"),), kind="stat", width=6, height=4,
            steps=thresholds.above(limits.CANARY_SECONDS, "orange"), empty="no canary has come back yet",
        ),
    )  # fmt: skip


def _table() -> Panel:
    columns = (
        Column(Query(_LAST, "Last run"), "s", decimals=0),
        Column(Query(_INTERVAL, "Interval"), "s", decimals=0),
        Column(
            Query(f"({_LAST}) / on (schedule) {_INTERVAL}", "Of its interval"), "suffix:×",
            thresholds.above(thresholds.LATE, "orange"), decimals=2,
        ),
    )  # fmt: skip
    return Panel(
        "Schedules", "The latest first. A schedule without an interval is paused or has ended.", "s",
        kind="table", width=12, height=9, empty="no schedule is declared by an actor",
        table=Table({"schedule": "Schedule"}, columns, sort="Of its interval"),
    )  # fmt: skip


def _ticks() -> Panel:
    return Panel(
        "Age of the last tick",
        "Any live worker ticks. A line that climbs: no worker is alive, schedules are turned off, or Redis is away. "
        "At the line, SchedulerMissing fires.",
        "s", (Query(_TICK, "last tick"),), height=9, lines=True, steps=thresholds.above(limits.TICK_SECONDS),
        empty="nobody has ticked yet",
    )  # fmt: skip


def _lateness() -> Panel:
    return Panel(
        "Last run, in intervals",
        "Saw teeth up to 1 are right. Above 1: the run was due and was not made. ScheduleOverdue fires "
        f"{limits.SCHEDULE_SECONDS} s above it.",
        "suffix:×", (Query(f"({_LAST}) / on (schedule) {_INTERVAL}", "{{schedule}}"),),
        lines=True, steps=thresholds.above(1, "orange"), empty="no schedule has run yet",
    )  # fmt: skip


def _overdue() -> Panel:
    return Panel(
        "Overdue schedules of users",
        "They are many, so they are counted and not named: `callboard schedules list` names them.", "short",
        (Query("max(callboard_schedules_overdue)", "overdue"),), lines=True, steps=thresholds.above(1, "orange"),
    )  # fmt: skip


def _canaries() -> Panel:
    columns = (
        Column(Query(_CANARY, "Last came back"), "s", decimals=0),
        Column(Query(_CANARY_LIMIT, "Late from"), "s", decimals=0),
        Column(Query(f"({_CANARY}) / on (queue) ({_CANARY_LIMIT})", "Of that"), "percentunit",
               thresholds.above(1), decimals=0),
        Column(
            Query('queue:callboard_queue_paused:max{queue=~"$queue"}', "Paused"),
            words={"0": ("–", "text"), "1": ("PAUSED", "orange")},
        ),
    )  # fmt: skip
    return Panel(
        "Canaries", "A paused queue's canary is late because of the pause, and no alert fires.", "s",
        kind="table", width=12, height=11, empty="no canary has come back yet",
        table=Table(
            {"queue": "Queue"}, columns, sort="Of that",
            link=to_board("callboard-queue", queue="${__data.fields.Queue}")
        ),
    )  # fmt: skip


def _canary_ages() -> Panel:
    return Panel(
        "Age of the last canary",
        "Saw teeth of a minute are right. One line that climbs is one queue that is stuck; all of them: no workers, "
        "or Redis. The dashed lines are where CanaryLate fires.",
        "s",
        (Query(_CANARY, "{{queue}}"), Query(_CANARY_LIMIT, "{{queue}} late", limit=True)),
        height=11, empty="no canary has come back yet",
    )  # fmt: skip
