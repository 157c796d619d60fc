"""Tests of the alerts on service levels. Ratios are given as they are recorded; ``windows`` tests the recording."""

from __future__ import annotations

from monitoring.alerts.slo import OBJECTIVES, Objective, budget, reachable
from monitoring.alerts.split import by_number
from monitoring.limits import BUDGET_DAYS, BURNS, ELIGIBLE_AN_HOUR, Burn
from monitoring.rule_tests.cases import STEP, Case, Fires, Links, always, samples
from monitoring.site import Site

LINKS = Links("slo", {"SuccessBudgetBurn": "callboard-slo", "WaitBudgetBurn": "callboard-slo"})

_ERRORS = {"success": "of the jobs that ended failed", "wait": "of the jobs that started had waited too long"}
_GONE = {14.4: "50 hours", 6: "5 days", 3: "10 days", 1: "30 days"}


def cases(site: Site) -> list[Case]:
    """Each pair of windows, for each objective and each level that queues have."""
    return [
        case
        for objective in OBJECTIVES
        for share in by_number(site.catalogue, objective.of)
        for burn in BURNS
        if reachable(burn, share.number)
        for case in _burns(objective, burn, share.queues[0], budget(share.number), share.labels("objective"))
    ]


def _burns(objective: Objective, burn: Burn, queue: str, allowed: float, told: dict[str, str]) -> list[Case]:
    alert, limit = objective.alert, burn.factor * allowed
    over = limit * 1.005

    def series(long: float = over, short: float = over, jobs: float = ELIGIBLE_AN_HOUR + 1) -> dict[str, str]:
        values = {f"errors:ratio_rate{burn.long}": long, f"errors:ratio_rate{burn.short}": short}
        return {name: always(value) for name, value in _recorded(queue, objective.slo, values, jobs).items()}

    fires = [
        Fires(
            {"queue": queue, "slo": objective.slo, "window": burn.long, "severity": burn.severity, **told},
            f"{queue}: {over * 100:.4g}% {_ERRORS[objective.slo]} within {burn.long}, where {allowed * 100:g}% are "
            "allowed",
            f"{over * 100:.4g}% {_ERRORS[objective.slo]} on {queue} within {burn.long}; the objective allows "
            f"{allowed * 100:g}%. At {burn.factor:g} times that, the budget of {BUDGET_DAYS} days is gone in "
            f"{_GONE[burn.factor]}.",
        )
    ]
    other = "wait" if objective.slo == "success" else "success"
    elsewhere = {name.replace(f'"{objective.slo}"', f'"{other}"'): values for name, values in series().items()}
    short = next(name for name in series() if f"ratio_rate{burn.short}" in name)
    ends = series() | {short: samples((over, 60), (0, 600))}
    quiet: dict[int, list[Fires]] = {0: [], 60: []}
    return [
        Case(alert, "firing", f"both windows of {burn.long}, and enough jobs", series(), {0: fires, 60: fires}),
        Case(alert, "silent", f"it was once, and is so no more over {burn.long}", series(long=over / 10), quiet),
        Case(alert, "silent", f"it was, and is so no more over {burn.short}", series(short=over / 10), quiet),
        Case(alert, "silent", "a handful of jobs", series(jobs=5), quiet),
        Case(alert, "silent", f"the {other} objective is missed", elsewhere, quiet),
        Case(alert, "boundary", f"exactly {burn.factor:g} times over {burn.long}", series(long=limit), quiet),
        Case(alert, "boundary", f"exactly {burn.factor:g} times over {burn.short}", series(short=limit), quiet),
        Case(alert, "boundary", f"{ELIGIBLE_AN_HOUR} jobs an hour", series(jobs=ELIGIBLE_AN_HOUR), quiet),
        Case(alert, "resolved", f"over {burn.short} it is right again", ends, {60 - STEP: fires, 60: []}),
    ]


def _recorded(queue: str, slo: str, ratios: dict[str, float], jobs: float) -> dict[str, float]:
    labels = f'{{queue="{queue}", slo="{slo}"}}'
    made = {f"queue_slo:callboard_slo_{name}{labels}": value for name, value in ratios.items()}
    return made | {f"queue_slo:callboard_slo_eligible:increase1h{labels}": jobs}
