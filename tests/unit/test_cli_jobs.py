"""Lists of jobs on terminals of several widths, and what is said of one job."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

import pytest
from rich.console import Console

from callboard.cli.render import _lines, _print_fitting
from callboard.records import Attempt, JobView
from callboard.verbs.telling import JobDetails

ID = str(uuid.uuid4())
REASON = "451 4.7.1 greylisted: the server wants it to be tried again in some minutes"
JOB = JobView(
    id=ID, queue="q", state="failed", actor="send_email", args=(), payload={}, options={}, priority=5,
    workspace="acme-corporation", added_ms=1, due_ms=0, started_ms=0, ended_ms=1, duration_ms=1, attempts_made=3,
    stalls=0, worker="w1", reason=REASON,
)  # fmt: skip
NOTHING_TOLD = JobDetails([], None, {})


def shown(width: int, capsys: pytest.CaptureFixture[str], state: str = "failed", job: JobView = JOB) -> list[str]:
    _print_fitting(Console(width=width), [job], state)
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("width", "heads"),
    [
        (160, ["job", "actor", "workspace", "priority", "attempts", "at", "reason"]),
        (100, ["job", "actor", "workspace", "priority", "reason"]),
        (80, ["job", "actor", "reason"]),
        (50, ["job", "actor"]),
        (20, ["job"]),
    ],
)
def test_columns_give_way_to_whole_ids(width: int, heads: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    head, row = shown(width, capsys)

    assert head.split() == heads
    assert row.startswith(ID)
    assert len(row) <= max(width, len(ID))


def test_the_state_is_shown_when_none_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(100, capsys, "")[0].split() == ["job", "state", "actor", "workspace", "reason"]


def test_a_time_of_today_is_the_time_of_day_else_the_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert "1970-01-01" in shown(160, capsys)[1]
    today = time.time_ns() // 1_000_000
    assert (
        time.strftime("%H:%M:%S", time.localtime(today // 1000))
        in shown(160, capsys, job=replace(JOB, ended_ms=today))[1]
    )


def test_an_attempt_without_an_error_type_is_told_by_its_message_alone() -> None:
    attempt = Attempt(1, "w1", 1, 2, "cancelled", "", "by hand")

    assert "  by hand" in list(_lines(replace(JOB, attempts=[attempt]), NOTHING_TOLD, None))


def test_an_active_job_shows_the_attempt_that_runs() -> None:
    active = replace(JOB, state="active", ended_ms=0, started_ms=1_000, attempts_made=1)
    (line,) = [line for line in _lines(active, NOTHING_TOLD, None) if line.startswith("attempt ")]

    assert line.startswith("attempt 2: runs since ")
    assert line.endswith(" on w1")
