"""Alerts on service levels: error budgets that are used up too fast.

Google SRE workbook, "Alerting on SLOs", approach 6: the long window says that it matters, the short one that it still
goes on, so that an alert ends soon after its cause. No rule needs to hold for a time: the windows do that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from callboard.catalogue import QueueSpec
from monitoring.alerts.model import Alert
from monitoring.alerts.split import Share, by_number
from monitoring.limits import BUDGET_DAYS, BURNS, ELIGIBLE_AN_HOUR, Burn
from monitoring.site import Site


@dataclass(frozen=True, slots=True)
class Objective:
    """One of the two objectives of a queue. ``slo``: its label; ``late``: what its errors are, in words."""

    slo: str
    alert: str
    of: Callable[[QueueSpec], float]
    late: str


OBJECTIVES = (
    Objective("success", "SuccessBudgetBurn", lambda spec: spec.slo_success, "of the jobs that ended failed"),
    Objective("wait", "WaitBudgetBurn", lambda spec: spec.slo_wait, "of the jobs that started had waited too long"),
)


def alerts(site: Site) -> list[Alert]:
    """A rule for each objective, pair of windows and level that queues have."""
    return [
        _alert(objective, burn, share)
        for objective in OBJECTIVES
        for burn in BURNS
        for share in by_number(site.catalogue, objective.of)
        if reachable(burn, share.number)
    ]


def budget(objective: float) -> float:
    """The share of jobs that may miss an objective: 0.01 for 0.99."""
    return round(1 - objective, 9)


def reachable(burn: Burn, objective: float) -> bool:
    """Whether a share of errors can be so high: a budget of 10 % is not used up 14.4 times as fast by anything."""
    return burn.factor * budget(objective) < 1


def _alert(objective: Objective, burn: Burn, share: Share[float]) -> Alert:
    labels = f'{{slo="{objective.slo}"{"," if share.matcher else ""}{share.matcher}}}'
    limit = f"{burn.factor:g} * {budget(share.number):g}"
    return Alert(
        name=objective.alert,
        page="slo",
        # Names of recorded series keep their window, however fast time runs.
        expr=(
            f"queue_slo:callboard_slo_errors:ratio_rate{burn.long}{labels} > {limit}\n"
            f"and on (queue, slo) queue_slo:callboard_slo_errors:ratio_rate{burn.short} > {limit}\n"
            f"and on (queue, slo) queue_slo:callboard_slo_eligible:increase1h > {ELIGIBLE_AN_HOUR}"
        ),
        hold="",
        severity=burn.severity,
        summary=(
            f"{{{{ $labels.queue }}}}: {{{{ $value | humanizePercentage }}}} {objective.late} within {burn.long}, "
            f"where {budget(share.number) * 100:g}% are allowed"
        ),
        description=(
            f"{{{{ $value | humanizePercentage }}}} {objective.late} on {{{{ $labels.queue }}}} within {burn.long}; "
            f"the objective allows {budget(share.number) * 100:g}%. At {burn.factor:g} times that, the budget of "
            f"{BUDGET_DAYS} days is gone in {_gone_in(burn.factor)}."
        ),
        dashboard="callboard-slo",
        why=(
            f"{burn.factor:g} times as fast as allowed over {burn.long}, and still so over {burn.short}. Below "
            f"{ELIGIBLE_AN_HOUR} jobs an hour a share says little, and the counts of the queue tell."
        ),
        labels={"window": burn.long, **share.labels("objective")},
    )


def _gone_in(factor: float) -> str:
    hours = BUDGET_DAYS * 24 / factor
    return f"{hours / 24:g} days" if hours >= 72 else f"{hours:g} hours"
