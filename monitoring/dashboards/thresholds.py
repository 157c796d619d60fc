"""Colours and lines from the catalogue's numbers.

A threshold is passed by more than its number, and a step of Grafana's holds from its number on: steps of counts stand
one higher, so that a cell turns red when the alert's condition holds and not before.
"""

from __future__ import annotations

from collections.abc import Callable

from callboard.catalogue import Catalogue, QueueSpec
from monitoring.alerts.split import by_number
from monitoring.dashboards.model import Color, Step

#: Colours only, no alert stands on these: a share of attempts that fail (0…1), a share of the budget that is left
#: (0…1), intervals since a schedule's last run.
FAILING, LITTLE_LEFT, LATE = 0.05, 0.25, 1.5

#: Any value is fine.
PLAIN: tuple[Step, ...] = (Step(None, "blue"),)


def above(value: float, color: Color = "red", *, base: Color = "green") -> tuple[Step, ...]:
    """``base`` below ``value``, ``color`` from there on."""
    return (Step(None, base), Step(value, color))


def below(value: float, color: Color = "red", *, base: Color = "green") -> tuple[Step, ...]:
    """``color`` below ``value``, ``base`` from there on."""
    return (Step(None, color), Step(value, base))


def count(catalogue: Catalogue, state: str, color: Color = "orange") -> tuple[Step, ...]:
    """The colours of a queue's count of jobs in ``state``. Where queues differ, the lowest threshold colours."""
    return above(min(getattr(spec.thresholds, state) for spec in catalogue.values()) + 1, color)


def count_lines(catalogue: Catalogue, state: str) -> tuple[Step, ...]:
    """A line at each threshold that some queue has for its count of jobs in ``state``."""
    values = sorted({getattr(spec.thresholds, state) for spec in catalogue.values()})
    return (Step(None, "green"), *(Step(value, "orange") for value in values))


def objective(catalogue: Catalogue, slo: str) -> float:
    """The lowest objective (0…1) that a queue has for ``slo``: ``success`` or ``wait``."""
    return min(_objective(slo)(spec) for spec in catalogue.values())


def burn(catalogue: Catalogue, ratio: str, slo: str) -> str:
    """PromQL: ``ratio``, a share of errors by queue, as a multiple of the share that the queue's objective allows.

    1 uses the budget up just as its days end.
    """
    return divided(catalogue, ratio, lambda spec: round(1 - _objective(slo)(spec), 9))


def divided(catalogue: Catalogue, dividend: str, of: Callable[[QueueSpec], float]) -> str:
    """PromQL: ``dividend``, which has a label ``queue``, by a number of each queue's own.

    One number where all queues have the same. Else a vector of numbers: a series that every queue has, times zero, plus
    the queue's number.
    """
    shares = by_number(catalogue, of)
    if len(shares) == 1:
        return f"{dividend} / {shares[0].number:g}"
    numbers = " or ".join(
        f"0 * queue:callboard_queue_paused:max{{{each.matcher}}} + {each.number:g}" for each in shares
    )
    return f"{dividend} / on (queue) group_left () ({numbers})"


def _objective(slo: str) -> Callable[[QueueSpec], float]:
    return (lambda spec: spec.slo_success) if slo == "success" else (lambda spec: spec.slo_wait)
