"""How long to wait after an answer that says something about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from actors.webhooks.waiting import asked_wait_s, wait_s
from callboard.catalogue import QueueSpec

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SPEC = QueueSpec(name="q", backoff_base_ms=1_000, backoff_cap_ms=3_600_000, backoff_jitter=0.0)


def waits(status: int = 503, retry_after: str | None = None, **options: Any) -> float | None:
    given = {"attempt": 1, "spec": SPEC, "most_s": 3_600.0, "slow_down": 10.0, "now": NOW, **options}
    return wait_s(status, retry_after, **given)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("9" * 400, 999_999_999_999),
        (format_datetime(NOW + timedelta(hours=1), usegmt=True), 3600),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
        ("Sunday, 01-Mar-26 12:00:30 GMT", 30),
        ("Sun Mar  1 12:00:30 2026", 30),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(said: str, seconds: float) -> None:
    assert asked_wait_s(said, NOW) == seconds


@pytest.mark.parametrize(
    "said",
    [
        None, "", "soon", "-5", "1.5", "١٢", "1e3", "Sun, 99 Mar 2026 12:00:30 GMT", "\xff",
        "Mon, 01 Jan 2024 00:00:00 +999999999999999",
    ],
)  # fmt: skip
def test_what_is_neither_asks_for_nothing(said: str | None) -> None:
    assert asked_wait_s(said, NOW) is None


def test_other_answers_leave_it_to_the_queue() -> None:
    assert waits(500) is None
    assert waits(404, "soon") is None


def test_what_is_asked_for_is_given_up_to_the_cap() -> None:
    assert waits(503, "120") == 120
    assert waits(400, "120") == 120
    assert waits(503, "86400") == 3600
    assert waits(503, "86400", most_s=60.0) == 60


def test_no_shorter_wait_than_usual_is_given() -> None:
    assert waits(503, "0", attempt=5) == 16
    assert waits(503, "10", attempt=5) == 16
    assert waits(503, "10", most_s=0.0, attempt=5) == 16


@pytest.mark.parametrize("status", [429, 502, 504])
def test_overload_is_given_a_multiple_of_the_usual_wait(status: int) -> None:
    assert [waits(status, attempt=n) for n in (1, 2, 3)] == [10, 20, 40]
    assert waits(status, attempt=30) == 3600, "up to the queue's cap"
    assert waits(status, "30", attempt=1) == 30, "it knows better itself"


def test_a_fixed_wait_stays_fixed() -> None:
    assert waits(429, attempt=5, spec=SPEC.model_copy(update={"backoff": "fixed"})) == 10


def test_those_who_were_told_the_same_time_do_not_come_back_together() -> None:
    spec = SPEC.model_copy(update={"backoff_jitter": 0.2})
    found = {waits(503, "100", spec=spec) for _ in range(50)}
    assert len(found) > 1
    assert all(each is not None and 100 <= each <= 120 for each in found)
