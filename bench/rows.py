"""What a measurement gives: rows for the table, figures for the JSON output."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["met", "missed", "info"]


class BenchError(Exception):
    """A measurement could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``target`` is empty when there is none; ``note`` says what it was measured on."""

    name: str
    value: float
    unit: str
    target: str = ""
    verdict: Verdict = "info"
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """The row as the JSON output has it."""
        return {
            "name": self.name, "value": self.value, "unit": self.unit,
            "target": self.target, "verdict": self.verdict, "note": self.note,
        }  # fmt: skip


@dataclass(slots=True)
class Outcome:
    """Rows in the order they are shown, and the figures that have a name of their own in the JSON output."""

    rows: list[Row] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, other: Outcome) -> None:
        """Append what another measurement gave."""
        self.rows += other.rows
        self.figures |= other.figures


def info(name: str, value: float, unit: str, note: str = "") -> Row:
    """A figure without a target."""
    return Row(name, value, unit, note=note)


def at_least(name: str, value: float, unit: str, limit: float, note: str = "") -> Row:
    """A figure that must be ``limit`` or more."""
    return Row(name, value, unit, f"≥ {limit:g}", "met" if value >= limit else "missed", note)


def at_most(name: str, value: float, unit: str, limit: float, note: str = "") -> Row:
    """A figure that must be ``limit`` or less."""
    return Row(name, value, unit, f"≤ {limit:g}", "met" if value <= limit else "missed", note)


def below(name: str, value: float, unit: str, limit: float, note: str = "") -> Row:
    """A figure that must be less than ``limit``."""
    return Row(name, value, unit, f"< {limit:g}", "met" if value < limit else "missed", note)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """The values behind a median, for a note: ``28,912 29,480 30,112``."""
    return " ".join(f"{value:,.{digits}f}" for value in values)


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios round by round: what disturbed a round disturbed both systems."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
