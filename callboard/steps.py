"""Named steps of job types: the places at which a process may die with something done and the rest not.

A job type lists its steps in one enumeration and calls :func:`reached` at each. In production that does nothing; fault
tests kill the process there (``on_reached``) and look at what the next attempt makes of it. They take the steps from
the enumeration, so that a new step is tested or fails the suite.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class Step(StrEnum):
    """Base of the enumerations of steps, one a job type."""


#: Called at every step when it is set.
on_reached: Callable[[Step], None] | None = None


def reached(step: Step) -> None:
    """The job has come to ``step``."""
    if on_reached is not None:
        on_reached(step)
