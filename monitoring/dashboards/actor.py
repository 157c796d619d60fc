"""Which job type is slow, which fails, and on what."""

from __future__ import annotations

from dataclasses import replace

from monitoring.dashboards import templating, thresholds
from monitoring.dashboards.counts import grown
from monitoring.dashboards.links import to_board
from monitoring.dashboards.model import Board, Column, Panel, Query, Row, Table
from monitoring.dashboards.quantiles import heat, quantiles
from monitoring.site import Site

#: The chosen actors.
A = '{queue=~"$queue",actor=~"$actor"}'

_RATE = f"rate(callboard_attempts_total{A}[$__rate_interval])"
_ENDED = f"increase(callboard_attempts_total{A}[$__rate_interval])"
_FAILURES = grown("callboard_attempt_failures_total", A)
_RUN = "callboard_run_duration_seconds"
_BUSY = f"sum by (queue, actor) (rate({_RUN}_sum{A}[$__rate_interval]))"
_NAME = "{{actor}}"
_BY = "sum by (queue, actor)"
_RETRIES = f"{_BY} (rate(callboard_retries_total{A}[$__rate_interval]))"

#: Attempts that failed by those that ended. Empty where none ended.
_FAILING = f"{_BY} ({_FAILURES}) / on (queue, actor) ({_BY} ({_ENDED}) > 0)"


def board(_: Site) -> Board:
    """Actor."""
    return Board(
        uid="callboard-actor", title="Callboard / 3 Actor", runbook="queues",
        purpose="Which job type is slow, which fails, and on what.",
        variables=(templating.QUEUE, templating.ACTOR),
        rows=(
            Row("", (*_now(), _actors())),
            Row("Attempts and errors", _attempts()),
            Row("Durations", _durations()),
        ),
    )  # fmt: skip


def _now() -> tuple[Panel, ...]:
    return (
        Panel(
            "Attempts", "How much these actors do.", "suffix:/s", (Query(f"sum({_RATE})"),),
            kind="stat", width=6, height=4, decimals=2, steps=thresholds.PLAIN,
        ),
        Panel(
            "Attempts that fail", "Retries hide failures from users, not from here.", "percentunit",
            (Query(f"sum({_FAILURES}) / (sum({_ENDED}) > 0)"),),
            kind="stat", width=6, height=4, decimals=1, steps=thresholds.above(thresholds.FAILING, "orange"),
            empty="no attempt ended",
        ),
        Panel(
            "Run time, p95", "Nineteen of twenty attempts are quicker.", "s",
            (Query(f"histogram_quantile(0.95, sum by (le) (rate({_RUN}_bucket{A}[$__rate_interval])))"),),
            kind="stat", width=6, height=4, steps=thresholds.PLAIN, empty="no attempt ended",
        ),
        Panel(
            "In progress", "Attempts that run now.", "none", (Query(f"sum(callboard_attempts_in_progress{A})"),),
            kind="stat", width=6, height=4, steps=thresholds.PLAIN,
        ),
    )  # fmt: skip


def _actors() -> Panel:
    columns = (
        Column(Query(f"{_BY} ({_RATE})", "Attempts"), "suffix:/s", decimals=2),
        Column(Query(_FAILING, "Failing"), "percentunit", thresholds.above(thresholds.FAILING, "orange"), decimals=1),
        Column(Query(_RETRIES, "Retries"), "suffix:/s", decimals=2),
        Column(replace(*quantiles(_RUN, A, ("queue", "actor"), ("p95",)), legend="p95"), "s"),
        Column(Query(_BUSY, "Threads taken"), decimals=2),
        Column(Query(f"{_BY} (callboard_attempts_in_progress{A})", "In progress"), decimals=0),
    )  # fmt: skip
    return Panel(
        "Actors",
        "The ones that take most of the workers first. Threads taken is run time a second: 2 means that two threads "
        "do nothing else.",
        "short", kind="table", width=24, height=8, empty="no attempt was counted yet",
        table=Table(
            {"actor": "Actor", "queue": "Queue"}, columns, sort="Threads taken",
            link=to_board("callboard-actor", actor="${__data.fields.Actor}", queue="${__data.fields.Queue}"),
        ),
    )  # fmt: skip


def _attempts() -> tuple[Panel, ...]:
    return (
        Panel(
            "Attempts by actor", "The load by actor. A gap is a queue that stands still or a worker that is gone.",
            "suffix:/s",
            (Query(f"{_BY} ({_RATE})", _NAME),), stacked=True, width=8,
        ),
        Panel(
            "Share of attempts that fail", "Compare before and after a deploy (the blue marks).", "percentunit",
            (Query(_FAILING, _NAME),), high=1, width=8, empty="no attempt ended",
        ),
        Panel(
            "Errors by exception",
            "Failed attempts by what went wrong. TimeLimitExceeded: the peer hangs. `other`: of no library that is "
            "known here, the log has its name.",
            "short",
            (Query(f"sum by (actor, exception) ({_FAILURES}) > 0", "{{actor}} {{exception}}", rare=True),),
            stacked=True, bars=True, width=8, empty="no attempt failed",
        ),
        Panel(
            "Retries", "Attempts that will be made once more, after the queue's backoff.", "suffix:/s",
            (Query(_RETRIES, _NAME),), width=8,
        ),
        Panel(
            "Attempts that jobs took, p95", "How many attempts nineteen of twenty jobs of a queue get by with.", "none",
            quantiles("callboard_job_attempts", '{queue=~"$queue"}', ("queue",), ("p95",)), width=8,
            empty="no job ended",
        ),
        Panel(
            "In progress by actor", "Attempts that run now. Level while the rate falls: each takes longer.", "short",
            (Query(f"{_BY} (callboard_attempts_in_progress{A})", _NAME),), width=8,
        ),
    )  # fmt: skip


def _durations() -> tuple[Panel, ...]:
    by = ("actor",)
    return (
        Panel(
            "Run time by actor, the median", "What an attempt usually takes.", "s", quantiles(_RUN, A, by, ("p50",)),
            width=8, exemplars=True, empty="no attempt ended",
        ),
        Panel(
            "Run time by actor, p95", "What one attempt in twenty takes or more.", "s",
            quantiles(_RUN, A, by, ("p95",)), width=8, exemplars=True, empty="no attempt ended",
        ),
        Panel(
            "Run time by actor, p99",
            "What one attempt in a hundred takes or more: slow peers and large inputs show here first.",
            "s", quantiles(_RUN, A, by, ("p99",)), width=8, exemplars=True, empty="no attempt ended",
        ),
        Panel(
            "Run times, all of them",
            "Two bands are two kinds of input, or a cache that answers and one that does not.",
            "s", (heat(_RUN, A),), kind="heatmap", empty="no attempt ended",
        ),
        Panel(
            "Threads taken",
            "Run time a second: the actor's share of the workers. The one that grew is why the others wait.", "short",
            (Query(_BUSY, _NAME),), stacked=True,
        ),
    )  # fmt: skip
