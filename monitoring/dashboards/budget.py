"""Queries about error budgets, on what the rules recorded: one series a queue, however many workers there were."""

from __future__ import annotations

from callboard.catalogue import Catalogue
from monitoring.dashboards.thresholds import burn
from monitoring.limits import BUDGET_DAYS

#: The two service levels: label -> how it is said.
SLOS = {"success": "ended well", "wait": "started in time"}


def errors(slo: str, window: str, queues: str = "") -> str:
    """The recorded share of errors by queue over ``window``. ``queues``: a matcher."""
    return f"queue_slo:callboard_slo_errors:ratio_rate{window}{_labels(slo, queues)}"


def left(catalogue: Catalogue, slo: str, queues: str = "") -> str:
    """The share of the budget that is left by queue: 1 is all, 0 none, below 0 it is overdrawn.

    Each job weighs alike: both are averages of recorded rates. Reaches back as far as Prometheus keeps them.
    """
    met, eligible = (
        f"avg_over_time(queue_slo:callboard_slo_{count}:rate5m{_labels(slo, queues)}[{BUDGET_DAYS}d])"
        for count in ("met", "eligible")
    )
    return f"1 - {burn(catalogue, f'(1 - {met} / {eligible})', slo)}"


def level(slo: str, window: str = "1h") -> str:
    """The share of all queues' jobs that met ``slo`` over ``window``, each job alike."""
    met, eligible = (
        f'sum(avg_over_time(queue_slo:callboard_slo_{count}:rate5m{{slo="{slo}"}}[{window}]))'
        for count in ("met", "eligible")
    )
    return f"{met} / {eligible}"


def _labels(slo: str, queues: str) -> str:
    return f'{{slo="{slo}"{"," if queues else ""}{queues}}}'
