"""Waiting for a condition, never for a time."""

from collections.abc import Callable
from threading import Event
from time import monotonic
from typing import TypeVar

T = TypeVar("T")

#: Time between two looks (in seconds).
INTERVAL_S = 0.02


def wait_until(predicate: Callable[[], T], timeout_s: float = 10.0, message: str | Callable[[], str] = "") -> T:
    """Wait until ``predicate()`` is true.

    Args:
      predicate: called until it answers with something true; what it raises goes through.
      timeout_s: the longest wait (in seconds).
      message: what was expected, for the failure; a callable is asked only then, so it can show the state.

    Returns: the true answer.
    Raises: AssertionError when the time is up.
    """
    never = Event()
    deadline = monotonic() + timeout_s
    while True:
        answer = predicate()
        if answer:
            return answer
        if monotonic() >= deadline:
            said = message() if callable(message) else message
            raise AssertionError(f"not within {timeout_s:g} s: {said or predicate}; last answer: {answer!r}")
        never.wait(INTERVAL_S)


def last(seconds: float) -> None:
    """Let an outage last so long (in seconds): for faults whose length is the point, never for things to settle."""
    end = monotonic() + seconds
    wait_until(lambda: monotonic() >= end, seconds + 5)
