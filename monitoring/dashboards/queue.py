"""The board that alerts about a queue lead to: what the queue does, and why it does not."""

from __future__ import annotations

from monitoring import limits
from monitoring.dashboards import thresholds
from monitoring.dashboards.counts import grown
from monitoring.dashboards.links import to_board
from monitoring.dashboards.model import Board, Panel, Query, Row, Variable
from monitoring.dashboards.quantiles import heat, quantiles
from monitoring.dashboards.templating import QUEUE
from monitoring.site import Site

#: The chosen queues.
Q = '{queue=~"$queue"}'


def board(site: Site) -> Board:
    """Queue."""
    return Board(
        uid="callboard-queue", title="Callboard / 2 Queue", runbook="queues",
        purpose="What a queue does, and why it does not. Alerts about a queue lead here.",
        variables=(_queue(site),),
        rows=(
            Row("", (*_now(site), _alerts())),
            Row("Backlog", (_depth(), _oldest_waiting(), _oldest_active())),
            Row("Counts and their alerts' thresholds", _counts(site)),
            Row("Waiting and running", (*_times(),)),
            Row("Outcomes", _outcomes()),
            Row("Capacity", _capacity()),
        ),
    )  # fmt: skip


def _queue(site: Site) -> Variable:
    """One queue at first: this board is about one, though several can be compared."""
    queue = QUEUE
    return Variable(queue.name, queue.label, queue.series, queue.title, first=next(iter(site.catalogue)))


def _count(state: str) -> str:
    return f'sum by (queue) (queue_state:callboard_queue_jobs:max{{queue=~"$queue",state="{state}"}})'


def _now(site: Site) -> tuple[Panel, ...]:
    return (
        Panel(
            "State", "A paused queue starts nothing, whatever else is shown here.", "none",
            (Query(f"queue:callboard_queue_paused:max{Q}", "{{queue}}"),),
            kind="stat", width=4, height=4, steps=thresholds.above(1),
            words={"0": ("running", "green"), "1": ("PAUSED", "red")},
        ),
        Panel(
            "Waiting", "Jobs that could start now. Orange above the catalogue's threshold.", "short",
            (Query(_count("waiting"), "{{queue}}"),),
            kind="stat", width=3, height=4, decimals=0, steps=thresholds.count(site.catalogue, "waiting"),
        ),
        Panel(
            "Oldest, in wait targets",
            f"The oldest waiting job's age by the queue's wait target. Above {limits.OLDEST_WAITING_TARGETS}, it "
            "pages.",
            "suffix:×",
            (Query(
                f"queue:callboard_queue_oldest_waiting_age_seconds:max{Q} "
                "/ on (queue) queue:callboard_queue_wait_target_seconds:max", "{{queue}}",
            ),),
            kind="stat", width=3, height=4, decimals=1, steps=thresholds.above(limits.OLDEST_WAITING_TARGETS),
        ),
        Panel(
            "Failed", "Failed jobs that are kept and that nobody has retried or removed.", "short",
            (Query(_count("failed"), "{{queue}}"),),
            kind="stat", width=3, height=4, decimals=0, steps=thresholds.count(site.catalogue, "failed"),
        ),
        Panel(
            "In / out", "Whether more is added than ends, now.", "suffix:/s",
            (
                Query(f"queue:callboard_jobs_added:rate5m{Q}", "{{queue}} in"),
                Query(f"queue:callboard_jobs_ended:rate5m{Q}", "{{queue}} out"),
            ),
            kind="stat", width=5, height=4, decimals=2, steps=thresholds.PLAIN,
        ),
        Panel(
            "Drained in", "How long the backlog takes at the present flow. Never: it grows, or nothing moves.", "s",
            (Query(f"queue:callboard_queue_drain_seconds:max{Q}", "{{queue}}"),),
            kind="stat", width=3, height=4, decimals=0, empty="nothing waits",
            steps=thresholds.above(limits.DRAIN_SECONDS, "orange"), words={"Infinity": ("never", "orange")},
        ),
        Panel(
            "Workers", "Live worker processes that serve the queue. 0: nobody will ever start its jobs.", "none",
            (Query(f"queue:callboard_queue_workers:max{Q}", "{{queue}}"),),
            kind="stat", width=3, height=4, steps=thresholds.below(1), link=to_board("callboard-workers"),
        ),
    )  # fmt: skip


def _alerts() -> Panel:
    return Panel(
        "Alerts about the queue", "What fired first is nearest to the cause; what is still red is still so.", "none",
        (Query(
            'max by (alertname, queue) (ALERTS{alertstate="firing",queue=~"$queue"})', "{{queue}} {{alertname}}",
            rare=True,
        ),),
        kind="state-timeline", width=24, height=5, words={"1": ("firing", "red")}, empty="nothing fired",
        link=to_board("callboard-alerting"),
    )  # fmt: skip


def _depth() -> Panel:
    return Panel(
        "Depth by state",
        "Where the jobs are. Waiting grows: too few slots. Delayed grows: retries, or jobs for later. Active stands "
        "still: attempts hang.",
        "short",
        (Query(
            'queue_state:callboard_queue_jobs:max{queue=~"$queue",state=~"waiting|delayed|active|blocked"}',
            "{{queue}} {{state}}",
        ),),
        stacked=True, height=9,
    )  # fmt: skip


def _oldest_waiting() -> Panel:
    targets = limits.OLDEST_WAITING_TARGETS
    return Panel(
        "Oldest waiting job",
        "The age grows second by second when nothing starts, and has teeth when the queue moves. The lines: the wait "
        f"target, and {targets} times it, where it pages.",
        "s",
        (
            Query(f"queue:callboard_queue_oldest_waiting_age_seconds:max{Q}", "{{queue}}"),
            Query(f"queue:callboard_queue_wait_target_seconds:max{Q}", "{{queue}} target", limit=True),
            Query(f"{targets} * queue:callboard_queue_wait_target_seconds:max{Q}", "{{queue}} pages", limit=True),
        ),
        width=6, height=9,
    )  # fmt: skip


def _oldest_active() -> Panel:
    return Panel(
        "Oldest running attempt",
        f"An attempt older than the time limit should have been interrupted. Above {limits.STUCK_TIME_LIMITS:g} times "
        "the limit (the line), its thread is stuck.",
        "s",
        (
            Query(f"queue:callboard_queue_oldest_active_age_seconds:max{Q}", "{{queue}}"),
            Query(
                f"{limits.STUCK_TIME_LIMITS:g} * queue:callboard_queue_time_limit_seconds:max{Q}", "{{queue}} stuck",
                limit=True,
            ),
        ),
        width=6, height=9,
    )  # fmt: skip


def _counts(site: Site) -> tuple[Panel, ...]:
    why = {
        "waiting": "Jobs that could start now, and the threshold of WaitingJobsHigh.",
        "delayed": "Retries and jobs for later, and the threshold of DelayedJobsHigh.",
        "active": "Jobs that run, and the threshold of ActiveJobsHigh.",
        "failed": "Failed jobs that are kept, and the threshold of FailedJobsHigh. A step up is an incident, "
                  "a slope is a fault in a few jobs.",
    }  # fmt: skip
    return tuple(
        Panel(
            f"{state.capitalize()} jobs", text, "short", (Query(_count(state), "{{queue}}"),), width=6, height=7,
            lines=True, steps=thresholds.count_lines(site.catalogue, state),
        )
        for state, text in why.items()
    )  # fmt: skip


def _times() -> tuple[Panel, ...]:
    wait, run = "callboard_queue_wait_seconds", "callboard_run_duration_seconds"
    return (
        Panel(
            "Wait before the start",
            "What users feel: from due to started. The median fine and p99 not: a burst, or one workspace that waits "
            "its turn. The line is the wait target.",
            "s",
            (
                *quantiles(wait, Q, ("queue",)),
                Query(f"queue:callboard_queue_wait_target_seconds:max{Q}", "{{queue}} target", limit=True),
            ),
            exemplars=True, empty="no job started",
        ),
        Panel(
            "Waits, all of them", "Two bands are two kinds of jobs; a band that climbs is a backlog that grows.", "s",
            (heat(wait, Q),), kind="heatmap", empty="no job started",
        ),
        Panel(
            "Run time",
            "Whether attempts got slower, by themselves or by their peer. The line is the time limit, where they are "
            "interrupted.",
            "s",
            (
                *quantiles(run, Q, ("queue",)),
                Query(f"queue:callboard_queue_time_limit_seconds:max{Q}", "{{queue}} limit", limit=True),
            ),
            exemplars=True, empty="no attempt ended",
        ),
        Panel(
            "Run times, all of them", "A band at the time limit is a peer that does not answer.", "s",
            (heat(run, Q),), kind="heatmap", empty="no attempt ended",
        ),
    )  # fmt: skip


def _outcomes() -> tuple[Panel, ...]:
    def totals(*names: str) -> tuple[Query, ...]:
        return tuple(Query(f"queue:callboard_jobs_{name}:rate5m{Q}", f"{{{{queue}}}} {name}") for name in names)

    def raw(name: str, said: str) -> Query:
        rate = f"rate(callboard_jobs_{name}_total{Q}[$__rate_interval])"
        return Query(f"max by (queue) ({rate})", f"{{{{queue}}}} {said}")

    return (
        Panel(
            "Added and ended",
            "Whether the queue keeps up, and how its jobs end. Failed is for good, after all retries.",
            "suffix:jobs/s", totals("added", "completed", "failed", "cancelled"), width=8,
        ),
        Panel(
            "Errors by exception",
            "Failed attempts by what went wrong; most are tried again. A name that is new since a deploy (the blue "
            "marks) is the deploy's. The actor board tells whose it is.",
            "short",
            (Query(
                f"sum by (queue, exception) ({grown('callboard_attempt_failures_total', Q)}) > 0",
                "{{queue}} {{exception}}", rare=True,
            ),),
            width=8, stacked=True, bars=True, empty="no attempt failed", link=to_board("callboard-actor", "queue"),
        ),
        Panel(
            "Share of attempts that end in a retry",
            "A peer that is away turns attempts into retries: work that the workers do for nothing. Above the line "
            f"and {limits.RETRIES_PER_SECOND} a second, RetryStorm fires.",
            "percentunit",
            (Query(
                f"queue:callboard_retries:rate5m{Q} / on (queue) (queue:callboard_attempts:rate5m > 0)", "{{queue}}",
            ),),
            width=8, high=1, lines=True, steps=thresholds.above(limits.RETRY_SHARE), empty="no attempt within 5 min",
        ),
        Panel(
            "Attempts that jobs took",
            "Above 1, jobs end well only after retries: users wait for each. Means over what ended.", "none",
            (Query(
                f"sum by (queue) (rate(callboard_job_attempts_sum{Q}[$__rate_interval])) "
                f"/ sum by (queue) (rate(callboard_job_attempts_count{Q}[$__rate_interval]))", "{{queue}}",
            ),),
            width=8, decimals=2, empty="no job ended",
        ),
        Panel(
            "Lost and late",
            "Stalled: starts that were lost with their worker. Stale: attempts that ended after their job had gone "
            "to another worker. Both after crashes, kills and cut connections.",
            "suffix:/s", (*totals("stalled"), raw("stale_finishes", "stale finishes")), width=8,
        ),
        Panel(
            "Retried and deduplicated",
            "Retries add to what the queue has to do. Deduplicated adds are answered with the job that is there.",
            "suffix:/s", (*totals("retried"), raw("deduplicated", "deduplicated")), width=8,
        ),
    )  # fmt: skip


def _capacity() -> tuple[Panel, ...]:
    return (
        Panel(
            "Time to drain",
            "When the backlog is gone at the present flow. No line while it grows or nothing moves; the line is "
            "where BacklogGrowing fires.",
            "s", (Query(f"queue:callboard_queue_drain_seconds:max{Q} < Inf", "{{queue}}", rare=True),),
            width=8, lines=True, steps=thresholds.above(limits.DRAIN_SECONDS, "orange"),
            empty="nothing waits, or it grows",
        ),
        Panel(
            "Workers and slots",
            "How many jobs of the queue can run at once, and how many do. Active at slots: more workers or a higher "
            "limit per process would help; far below, they would not.",
            "short",
            (
                Query(_count("active"), "{{queue}} active"),
                Query(f"queue:callboard_queue_workers:max{Q}", "{{queue}} workers"),
                Query(f"max by (queue) (callboard_queue_slots{Q})", "{{queue}} slots", limit=True),
            ),
            width=8,
        ),
        Panel(
            "Deferred jobs",
            "Attempts that put their job off instead of ending it, and why: a rate limiter, a payload that a newer "
            "worker must read, or the actor itself. Many of them: more workers would not help.",
            "suffix:/s",
            (Query(
                f"sum by (queue, reason) (rate(callboard_deferred_total{Q}[$__rate_interval]))", "{{queue}} {{reason}}",
            ),),
            width=8, empty="not scraped",
        ),
        Panel(
            "Memory in Redis",
            "What the queue's keys take, estimated and up to a minute old. Large payloads and kept results show here.",
            "bytes", (Query(f"max by (queue) (callboard_queue_memory_bytes{Q})", "{{queue}}"),),
        ),
        Panel(
            "Outbox",
            "Messages to other queues that are on their way, of flows for example. It should come back to 0; if it "
            "only grows, no worker delivers them.",
            "short", (Query(f"queue:callboard_outbox_messages:max{Q}", "{{queue}}"),),
        ),
    )  # fmt: skip
