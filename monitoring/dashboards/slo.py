"""How much of the error budgets is left, and how fast it goes."""

from __future__ import annotations

from monitoring import limits
from monitoring.dashboards import budget, templating, thresholds
from monitoring.dashboards.links import to_board
from monitoring.dashboards.model import Board, Column, Panel, Query, Row, Step, Table
from monitoring.site import Site

_QUEUES = 'queue=~"$queue"'
_LEFT: tuple[Step, ...] = (Step(None, "red"), Step(0, "orange"), Step(thresholds.LITTLE_LEFT, "green"))
#: The windows of the alerts, the shortest first.
_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
_DAY = 86_400


def board(site: Site) -> Board:
    """SLO."""
    return Board(
        uid="callboard-slo", title="Callboard / 6 SLO", runbook="slo",
        purpose="How much of the error budgets is left, and how fast it goes.",
        variables=(templating.QUEUE,), since="now-3d",
        rows=(
            Row("Error budgets", (*(_left(site, slo) for slo in budget.SLOS), _queues(site))),
            *(Row(_said(slo), _level(site, slo)) for slo in budget.SLOS),
            Row("What it is counted on", _volume()),
        ),
    )  # fmt: skip


def _said(slo: str) -> str:
    return {"success": "Success: jobs end well", "wait": "Wait: jobs start within the target"}[slo]


def _left(site: Site, slo: str) -> Panel:
    return Panel(
        f"Budget left, {limits.BUDGET_DAYS} d: {budget.SLOS[slo]}",
        "What is left of the errors that the objective allows. All of it: nothing went wrong. Below 0: overdrawn, so "
        "repair before you ship. It reaches back as far as Prometheus keeps its data.",
        "percentunit", (Query(budget.left(site.catalogue, slo, _QUEUES), "{{queue}}"),),
        kind="bargauge", width=6, height=12, low=0, high=1, decimals=1, steps=_LEFT, empty="no job yet",
    )  # fmt: skip


def _queues(site: Site) -> Panel:
    def burn(slo: str, window: str) -> str:
        return thresholds.burn(site.catalogue, budget.errors(slo, window, _QUEUES), slo)

    def columns(slo: str, said: str) -> tuple[Column, ...]:
        lasts = f"({budget.left(site.catalogue, slo, _QUEUES)}) * {limits.BUDGET_DAYS * _DAY} / ({burn(slo, '6h')})"
        quickest = limits.BURNS[0]
        return (
            Column(
                Query(f"1 - {budget.errors(slo, '3d', _QUEUES)}", f"{said}, 3 d"),
                "percentunit",
                thresholds.below(thresholds.objective(site.catalogue, slo)),
                decimals=3,
            ),
            Column(
                Query(burn(slo, quickest.long), f"{said}: burn, {quickest.long}"),
                "suffix:×",
                thresholds.above(quickest.factor),
                decimals=1,
            ),
            Column(Query(lasts, f"{said}: lasts"), "s", words={"Infinity": ("for ever", "green")}, decimals=0),
        )

    return Panel(
        "Levels and burn rates",
        "Burn 1 uses the budget up as its days end; `lasts` is how long the rest does at the pace of the last 6 "
        "hours. A queue without jobs has no figures.",
        "short", kind="table", width=12, height=12, empty="no job yet",
        table=Table(
            {"queue": "Queue"}, tuple(column for slo, said in (("success", "Success"), ("wait", "Wait"))
                                      for column in columns(slo, said)),
            link=to_board("callboard-queue", queue="${__data.fields.Queue}"),
        ),
    )  # fmt: skip


def _level(site: Site, slo: str) -> tuple[Panel, ...]:
    def burn(window: str) -> str:
        return thresholds.burn(site.catalogue, budget.errors(slo, window, _QUEUES), slo)

    factors = {burn.factor: burn for burn in limits.BURNS}
    lines = (
        Step(None, "green"),
        *(Step(factor, "red" if factors[factor].severity == "critical" else "orange") for factor in sorted(factors)),
    )
    pairs = ", ".join(f"{burn.long}/{burn.short} {burn.factor:g}×" for burn in limits.BURNS)
    return (
        Panel(
            f"Burn rates: {budget.SLOS[slo]}, worst queue by window",
            "How many times faster than allowed errors are made. An alert needs both windows of a pair above its "
            f"line: {pairs}. The short window tells whether it still goes on.",
            "suffix:×", tuple(Query(f"max({burn(window)})", window) for window in _WINDOWS),
            lines=True, steps=lines, empty="no job yet",
        ),
        Panel(
            f"Burn rate, {limits.BURNS[0].long}: {budget.SLOS[slo]}, by queue", "Whose budget burns, and since when.",
            "suffix:×",
            (Query(burn(limits.BURNS[0].long), "{{queue}}"),),
            lines=True, steps=thresholds.above(limits.BURNS[0].factor), empty="no job yet",
        ),
        Panel(
            f"Share that {budget.SLOS[slo]}, 1 h",
            "The level itself. Red lines are for burn rates; this has the objective.",
            "percentunit", (Query(f"1 - {budget.errors(slo, '1h', _QUEUES)}", "{{queue}}"),),
            low=None, high=1, lines=True, empty="no job yet",
            steps=thresholds.above(thresholds.objective(site.catalogue, slo), "orange"),
        ),
        Panel(
            f"Budget of 3 days left: {budget.SLOS[slo]}",
            "The same budget over three days: what the next on-call inherits.", "percentunit",
            (Query(f"1 - {burn('3d')}", "{{queue}}"),), low=None, high=1, lines=True, steps=thresholds.above(0),
            empty="no job yet",
        ),
    )  # fmt: skip


def _volume() -> tuple[Panel, ...]:
    return (
        Panel(
            "Eligible jobs an hour",
            f"Below the line ({limits.ELIGIBLE_AN_HOUR} an hour) no burn alert fires: a share of few jobs says little.",
            "short",
            (Query(
                f"queue_slo:callboard_slo_eligible:increase1h{{{_QUEUES}}}", "{{queue}} {{slo}}",
            ),),
            lines=True, steps=thresholds.above(limits.ELIGIBLE_AN_HOUR, "orange"),
        ),
        Panel(
            "Eligible and met",
            "What is counted: success when a job ends for good, wait at its first start. The gap is what went wrong.",
            "suffix:jobs/s",
            tuple(
                Query(f"sum by (slo) (queue_slo:callboard_slo_{count}:rate5m{{{_QUEUES}}})", f"{{{{slo}}}} {count}")
                for count in ("eligible", "met")
            ),
        ),
    )  # fmt: skip
