"""The first board: is anything wrong, and on which queue?"""

from __future__ import annotations

from monitoring import limits
from monitoring.dashboards import budget, thresholds
from monitoring.dashboards.links import to_board
from monitoring.dashboards.model import Board, Column, Panel, Query, Row, Step, Table
from monitoring.site import Site

_HEARTBEATS = "time() - max by (worker) (callboard_worker_last_heartbeat_timestamp_seconds)"


def board(site: Site) -> Board:
    """Fleet."""
    return Board(
        uid="callboard-fleet", title="Callboard / 1 Fleet", runbook="queues",
        purpose="Is anything wrong, and on which queue? Start here.",
        rows=(
            Row("", _now(site)),
            Row("Queues", (_queues(site),)),
            Row("What fires, what flows", (_alerts(), _flow())),
            Row("Who falls behind", (_lateness(), _failing(), _waiting(), _busy())),
        ),
    )  # fmt: skip


def _now(site: Site) -> tuple[Panel, ...]:
    good = {slo: thresholds.below(thresholds.objective(site.catalogue, slo)) for slo in budget.SLOS}
    return (
        Panel(
            "Alerts firing", "Whether somebody was woken. A click shows which, and since when.", "none",
            (
                Query('count(ALERTS{alertstate="firing",severity="critical"}) or vector(0)', "critical"),
                Query('count(ALERTS{alertstate="firing",severity="warning"}) or vector(0)', "warning"),
            ),
            kind="stat", width=4, height=4, steps=thresholds.above(1), link=to_board("callboard-alerting"),
        ),
        Panel(
            "Paused", "A paused queue takes jobs and starts none: the first thing to rule out when one does not move.",
            "none", (Query("count(queue:callboard_queue_paused:max == 1) or vector(0)"),),
            kind="stat", width=2, height=4, steps=thresholds.above(1),
        ),
        Panel(
            "Ended well, 1 h", "Share of all jobs that ended well within the hour. Red below the objective.",
            "percentunit", (Query(budget.level("success")),),
            kind="stat", width=3, height=4, decimals=2, steps=good["success"], empty="no job ended",
        ),
        Panel(
            "In time, 1 h", "Share of all jobs that started within their queue's wait target. Red below the objective.",
            "percentunit", (Query(budget.level("wait")),),
            kind="stat", width=3, height=4, decimals=2, steps=good["wait"], empty="no job started",
        ),
        Panel(
            f"Least budget left, {limits.BUDGET_DAYS} d",
            "The queue whose error budget is nearest to its end, for each level. Below 0 it is overdrawn: fix, do "
            "not ship. The SLO board names it.",
            "percentunit",
            tuple(Query(f"min({budget.left(site.catalogue, slo)})", said) for slo, said in budget.SLOS.items()),
            kind="stat", width=4, height=4, low=None, decimals=0, empty="no job yet", link=to_board("callboard-slo"),
            steps=(Step(None, "red"), Step(0, "orange"), Step(thresholds.LITTLE_LEFT, "green")),
        ),
        Panel(
            "Workers alive", "Worker processes that were heard of lately. 0: no job starts anywhere.", "none",
            (Query(f"count({_HEARTBEATS} <= {limits.HEARTBEAT_SECONDS}) or vector(0)"),),
            kind="stat", width=3, height=4, steps=thresholds.below(1), link=to_board("callboard-workers"),
        ),
        Panel(
            "Threads busy", "How much of what the workers can do is in use. Full while jobs wait: add workers.",
            "percentunit",
            (Query(
                "sum(max by (worker) (callboard_worker_threads_busy)) / sum(max by (worker) (callboard_worker_threads))"
            ),),
            kind="stat", width=3, height=4, decimals=0, empty="no workers",
            steps=thresholds.above(limits.BUSY_SHARE, "orange"), link=to_board("callboard-workers"),
        ),
        Panel(
            "Redis", "Whether Redis answers. 0: everything else here is old.", "none",
            (Query("min(redis_up)"),),
            kind="stat", width=2, height=4, words={"0": ("DOWN", "red"), "1": ("up", "green")},
            steps=thresholds.below(1), empty="not scraped", link=to_board("callboard-redis"),
        ),
    )  # fmt: skip


def _queues(site: Site) -> Panel:
    def jobs(state: str, title: str) -> Column:
        colors = thresholds.count(site.catalogue, state) if state in _COUNTED else ()
        query = Query(f'sum by (queue) (queue_state:callboard_queue_jobs:max{{state="{state}"}})', title)
        return Column(query, steps=colors, decimals=0)

    def rate(total: str, title: str) -> Column:
        return Column(Query(f"queue:callboard_jobs_{total}:rate5m", title), "suffix:/s", decimals=2)

    late = thresholds.above(limits.OLDEST_WAITING_TARGETS)
    columns = (
        Column(
            Query("queue:callboard_queue_paused:max", "Paused"),
            words={"0": ("–", "text"), "1": ("PAUSED", "red")},
        ),
        jobs("waiting", "Waiting"),
        jobs("delayed", "Delayed"),
        jobs("active", "Active"),
        jobs("blocked", "Blocked"),
        jobs("failed", "Failed"),
        Column(Query("queue:callboard_queue_oldest_waiting_age_seconds:max", "Oldest waiting"), "s", decimals=0),
        Column(Query(_TARGETS, "Of its target"), "suffix:×", late, decimals=1),
        rate("added", "In"),
        rate("ended", "Out"),
        rate("failed", "Failing"),
        Column(
            Query("queue:callboard_queue_drain_seconds:max", "Drained in"), "s",
            thresholds.above(limits.DRAIN_SECONDS, "orange"),
            words={"Infinity": ("never", "orange"), "NaN": ("–", "text")}, decimals=0,
        ),
        Column(Query("queue:callboard_queue_workers:max", "Workers"), steps=thresholds.below(1), decimals=0),
        Column(Query("max by (queue) (callboard_queue_slots)", "Slots"), decimals=0),
    )  # fmt: skip
    return Panel(
        "Queues",
        "One look at all queues: counts turn orange above the catalogue's thresholds, the oldest waiting job red at "
        f"{limits.OLDEST_WAITING_TARGETS} times its queue's wait target, a queue without workers red. A click on a "
        "queue opens its board.",
        "short", kind="table", width=24, height=12, empty="no queue: does the exporter answer?",
        table=Table(
            {"queue": "Queue"}, columns, link=to_board("callboard-queue", queue="${__data.fields.Queue}"),
            sort="Of its target",
        ),
    )  # fmt: skip


_COUNTED = ("failed", "waiting", "delayed", "active")

_TARGETS = (
    "queue:callboard_queue_oldest_waiting_age_seconds:max / on (queue) queue:callboard_queue_wait_target_seconds:max"
)


def _alerts() -> Panel:
    return Panel(
        "Firing alerts", "What fires, the longest first. A click shows the alert's history beside the deliveries.", "s",
        kind="table", width=10, height=9, empty="nothing fires",
        table=Table(
            {"alertname": "Alert", "queue": "Queue", "severity": "Severity"},
            (Column(
                Query(
                    'max by (alertname, severity, queue) ((time() - ALERTS_FOR_STATE) and ignoring (alertstate) '
                    'ALERTS{alertstate="firing",severity!="none"})',
                    "Since", rare=True,
                ),
                "s", decimals=0,
            ),),
            link=to_board("callboard-alerting", alertname="${__data.fields.Alert}"), sort="Since",
        ),
    )  # fmt: skip


def _flow() -> Panel:
    return Panel(
        "In and out",
        "Whether the fleet keeps up: what ends should follow what is added. Failed for good is a part of what ends.",
        "suffix:jobs/s",
        tuple(
            Query(f"sum(queue:callboard_jobs_{total}:rate5m)", total)
            for total in ("added", "completed", "failed", "cancelled", "retried")
        ),
        width=14, height=9,
    )  # fmt: skip


def _lateness() -> Panel:
    return Panel(
        "Oldest waiting job, in wait targets",
        "Which queue lets jobs wait too long, each by its own target: an hour is fine for one and an outage for "
        "another.",
        "suffix:×", (Query(_TARGETS, "{{queue}}"),),
        lines=True, steps=thresholds.above(limits.OLDEST_WAITING_TARGETS),
    )  # fmt: skip


def _failing() -> Panel:
    return Panel(
        "Share of ended jobs that failed for good",
        "Which queue loses jobs. One queue: its actor or its peer. All at once: what they share, Redis or a deploy.",
        "percentunit",
        (Query(
            "queue:callboard_jobs_failed:rate5m / on (queue) (queue:callboard_jobs_ended:rate5m > 0)", "{{queue}}",
        ),),
        high=1, empty="no job ended within 5 min",
    )  # fmt: skip


def _waiting() -> Panel:
    return Panel(
        "Waiting jobs", "Where the backlog is, and whether it grows.", "short",
        (Query('sum by (queue) (queue_state:callboard_queue_jobs:max{state="waiting"})', "{{queue}}"),),
        stacked=True,
    )  # fmt: skip


def _busy() -> Panel:
    return Panel(
        "Running jobs and threads",
        "How much of the workers each queue takes. Where the sum meets the line, jobs wait for a thread.", "short",
        (
            Query('sum by (queue) (queue_state:callboard_queue_jobs:max{state="active"})', "{{queue}}"),
            Query("sum(max by (worker) (callboard_worker_threads))", "threads of all workers", limit=True),
        ),
    )  # fmt: skip
