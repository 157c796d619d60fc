"""Tests of the alerts about schedules, canaries and outboxes."""

from __future__ import annotations

from monitoring import limits
from monitoring.limits import HOLDS
from monitoring.rule_tests.cases import LONG, STEP, Case, Fires, Links, always, behind, samples, seconds
from monitoring.rule_tests.held import held
from monitoring.rule_tests.span import span
from monitoring.site import Site

_ALERTS = ("SchedulerMissing", "ScheduleOverdue", "CanaryLate", "OutboxStuck")
LINKS = Links("schedules", dict.fromkeys(_ALERTS, "callboard-schedules"))


def cases(site: Site) -> list[Case]:
    """All of them, on the first queue of the catalogue."""
    name = next(iter(site.catalogue))
    target = site.catalogue[name].wait_target_ms / 1000
    return [*_missing(), *_overdue(), *_overdue_others(), *_canary(name, target), *_outbox(name)]


def _replicas(metric: str, *values: str, labels: str = "") -> dict[str, str]:
    """A series as replicas of the exporter tell it."""
    return {f'{metric}{{{labels}instance="{at}"}}': each for at, each in enumerate(values)}


def _back(age: float, hold: int) -> str:
    """A timestamp that is ``age`` old for a minute longer than ``hold``, and then new."""
    return f"{behind(age, hold + 60)} {samples((hold + 600, 600))}"


def _missing() -> list[Case]:
    alert, limit, hold = "SchedulerMissing", limits.TICK_SECONDS, seconds(HOLDS.scheduler)
    metric, over = "callboard_scheduler_last_tick_timestamp_seconds", limit + 1
    fires = [
        Fires(
            {"severity": "critical"}, "No worker ticks the schedules",
            f"Schedules were last ticked {span(over)} ago, more than {limit} s: no job is added by a schedule.",
        )
    ]  # fmt: skip
    never = [
        Fires({"severity": "critical"}, fires[0].summary, "Schedules were never ticked: no job is added by a schedule.")
    ]
    both, exact = _replicas(metric, behind(over), behind(over)), _replicas(metric, behind(limit), behind(over))

    def collected(schedules: int) -> dict[str, str]:
        success = {"schedules": schedules, "queues": 1 - schedules}
        return {f'callboard_exporter_collect_success{{collector="{c}"}}': always(v) for c, v in success.items()}

    return [
        Case(alert, "firing", "no worker was ever there", collected(1), {hold: never, hold + 300: never}),
        Case(alert, "silent", "schedules cannot be read", collected(0), {hold: [], 600: []}),
        Case(alert, "silent", "it ticks, and is collected", collected(1) | _replicas(metric, behind(1)), {600: []}),
        Case(alert, "firing", "two replicas say the same", both, {hold: fires, hold + 300: fires}),
        Case(alert, "silent", "it ticks", _replicas(metric, behind(1)), {hold: [], 600: []}),
        Case(alert, "boundary", "one evaluation too short", both, {hold - STEP: []}),
        Case(alert, "boundary", "exactly so long; one replica is behind", exact, {hold: [], 600: []}),
        Case(alert, "resolved", "it ticks again", _replicas(metric, _back(over, hold)), {hold: fires, hold + 60: []}),
    ]


def _overdue() -> list[Case]:
    alert, hold, interval = "ScheduleOverdue", seconds(HOLDS.schedule), 300
    limit = interval + limits.SCHEDULE_SECONDS
    over, schedule = limit + 1, 'schedule="clean", '

    def series(*last: str, intervals: tuple[int, int] = (interval, interval)) -> dict[str, str]:
        every = _replicas("callboard_schedule_interval_seconds", *map(always, intervals), labels=schedule)
        return every | _replicas("callboard_schedule_last_run_timestamp_seconds", *last, labels=schedule)

    fires = [
        Fires(
            {"schedule": "clean", "severity": "warning"}, "Schedule clean is overdue",
            f"Schedule clean last made a job {span(over)} ago, more than its interval and {limits.SCHEDULE_SECONDS} s.",
        )
    ]  # fmt: skip
    both, exact = series(behind(over), behind(over)), series(behind(limit), behind(over))
    other = series(behind(limit), behind(limit), intervals=(interval, 0))
    return [
        Case(alert, "firing", "two replicas say the same", both, {hold: fires, hold + 300: fires}),
        Case(alert, "silent", "it has just run", series(behind(1)), {hold: [], 900: []}),
        Case(alert, "boundary", "one evaluation too short", both, {hold - STEP: []}),
        Case(alert, "boundary", "exactly so long; one replica is behind", exact, {hold: [], 900: []}),
        Case(alert, "boundary", "one replica has another interval", other, {hold: [], 900: []}),
        Case(alert, "resolved", "it runs", series(_back(over, hold)), {hold: fires, hold + 60: []}),
    ]


def _overdue_others() -> list[Case]:
    metric = "callboard_schedules_overdue"
    fires = [
        Fires({"schedule": "others", "severity": "warning"}, "Schedules that users made are overdue",
              "2 schedules that were made at run time are overdue.")
    ]  # fmt: skip
    names = [f'{metric}{{instance="{at}"}}' for at in ("a", "b", "c")]
    return held(
        "ScheduleOverdue", HOLDS.schedule, fires=fires, why_silent="none is",
        over=dict(zip(names, (2, 2, 0), strict=True)), boundary=None, silent=dict.fromkeys(names, 0),
    ) + held(
        "ScheduleOverdue", HOLDS.schedule, why_silent="none is", boundary=None,
        fires=[Fires(fires[0].labels, fires[0].summary, fires[0].description.replace("2", "1"))],
        over={names[0]: 1}, silent={names[0]: 0},
    )  # fmt: skip


def _canary(name: str, target: float) -> list[Case]:
    alert, hold, times = "CanaryLate", seconds(HOLDS.canary), limits.OLDEST_WAITING_TARGETS
    limit = times * target + limits.CANARY_SECONDS
    over, queue = limit + 1, f'queue="{name}", '

    def series(*last: str, paused: int = 0) -> dict[str, str]:
        told = {
            f'queue:callboard_queue_wait_target_seconds:max{{queue="{name}"}}': always(target),
            f'queue:callboard_queue_paused:max{{queue="{name}"}}': always(paused),
        }
        return told | _replicas("callboard_canary_last_completed_timestamp_seconds", *last, labels=queue)

    fires = [
        Fires(
            {"queue": name, "severity": "critical"}, f"{name}: no canary job came through for {span(over)}",
            f"The last canary job of {name} completed {span(over)} ago, more than {times} × the queue's wait target "
            f"and {limits.CANARY_SECONDS} s. The queue is not paused.",
        )
    ]  # fmt: skip
    both, exact = series(behind(over), behind(over)), series(behind(limit), behind(over))
    return [
        Case(alert, "firing", "two replicas say the same", both, {hold: fires, hold + 300: fires}),
        Case(alert, "silent", "a minute ago", series(behind(60)), {hold: [], 900: []}),
        Case(alert, "silent", "the queue is paused", series(behind(over), paused=1), {hold: [], 900: []}),
        Case(alert, "boundary", "one evaluation too short", both, {hold - STEP: []}),
        Case(alert, "boundary", "exactly so long; one replica is behind", exact, {hold: [], 900: []}),
        Case(alert, "resolved", "one comes through", series(_back(over, hold)), {hold: fires, hold + 60: []}),
    ]


def _outbox(name: str) -> list[Case]:
    alert, hold, window = "OutboxStuck", seconds(HOLDS.outbox), seconds(limits.OUTBOX_RANGE)

    def series(values: str) -> dict[str, str]:
        return {f'queue:callboard_outbox_messages:max{{queue="{name}"}}': values}

    def fires(messages: int) -> list[Fires]:
        return [
            Fires(
                {"queue": name, "severity": "warning"},
                f"{name}: at least {messages} messages to other queues are stuck",
                f"The outbox of {name} has held at least {messages} messages for 10m and did not shrink: next links of "
                "chains, parents of flows and callbacks are not delivered.",
            )
        ]

    # 45 s is the last sample of the first value: once the range has passed it, the condition must still hold.
    at = 60 + window + hold
    fills, falls = samples((0, 60), (1, LONG)), samples((5, 60), (4, LONG))
    ends = samples((0, 60), (1, at), (0, LONG))
    return [
        Case(alert, "firing", "one message stays", series(fills), {at: fires(1)}),
        Case(alert, "firing", "it only grows", series(f"1+1x{LONG // STEP}"),
             {hold: fires(1), at: fires(1 + (at - window) // STEP)}),
        Case(alert, "silent", "it is empty", series(always(0)), {at: []}),
        Case(alert, "silent", "it falls now and then", series(" ".join(["3 2 4 2"] * 200)), {at: [], 1800: []}),
        Case(alert, "boundary", "one evaluation too short after it was empty", series(fills), {at - STEP: []}),
        Case(alert, "boundary", "one evaluation too short after it fell", series(falls),
             {hold: [], at - STEP: [], at: fires(4)}),
        Case(alert, "resolved", "it is delivered", series(ends), {at: fires(1), 60 + at: [], 60 + at + STEP: []}),
    ]  # fmt: skip
