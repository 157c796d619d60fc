"""The attempt log: one line a finished attempt, JSON or for people, whole even when several processes write into one
pipe."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from dramatiq import Worker
from dramatiq.brokers.stub import StubBroker

from callboard.catalogue import QueueSpec
from callboard.worker.job import Job
from middleware.attempt_log import AttemptLog
from middleware.logs.attempts import console_line, json_line
from middleware.logs.console import Console
from middleware.logs.writer import LineWriter, chunks
from tests.support.jobs import make_job

SPEC = QueueSpec(name="emails")


def ended(outcome: str | None = None, **fields: Any) -> Job:
    """A job whose attempt is over."""
    job = make_job(SPEC, "send", workspace=fields.pop("workspace", ""), attempts=fields.pop("attempts", 0))
    job.outcome, job.duration, job.max_attempts = outcome, 12, 5
    for name, value in fields.items():
        setattr(job, name, value)
    return job


def line(job: Job, at: float = 1_700_000_000.25) -> dict[str, Any]:
    text = json_line(at, job)
    assert text.endswith("}\n")
    assert text.count("\n") == 1, "one line"
    fields: dict[str, Any] = json.loads(text)
    return fields


def test_the_line_of_a_completed_attempt() -> None:
    assert line(ended()) == {
        "timestamp": "2023-11-14T22:13:20.250Z", "level": "info", "event": "attempt", "outcome": "completed",
        "queue": "emails", "actor": "send", "job": "job-1", "attempt": 1, "of": 5, "wait_ms": 40, "run_ms": 12,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "word", "level"),
    [
        ("r", "retried", "warning"), ("d", "deferred", "info"), ("f", "failed", "error"), ("x", "cancelled", "info"),
        ("b", "returned", "info"),
    ],
)  # fmt: skip
def test_the_level_says_how_bad_it_is(outcome: str, word: str, level: str) -> None:
    fields = line(ended(outcome))
    assert (fields["outcome"], fields["level"]) == (word, level)


def test_a_job_that_a_middleware_failed_is_failed() -> None:
    job = ended()
    job.fail()
    assert line(job)["outcome"] == "failed"


def test_an_error_is_told_with_its_next_try() -> None:
    fields = line(ended("r", error=("ValueError", 'say "no"\nplease', "Traceback"), delay_ms=2_000, workspace="acmé"))
    assert (fields["error"], fields["message"]) == ("ValueError", 'say "no"\nplease')
    assert (fields["next_in_ms"], fields["workspace"]) == (2_000, "acmé")
    assert "traceback" not in fields, "it will be tried again"


def test_a_final_failure_has_its_traceback_and_long_messages_are_cut() -> None:
    fields = line(ended("f", error=("ValueError", "x" * 10_000, "frame\n" * 10_000), attempts=4))
    assert len(fields["message"]) == 500
    assert 0 < len(fields["traceback"]) <= 4_000
    assert (fields["attempt"], fields["of"]) == (5, 5)


def test_times_are_utc_to_the_millisecond() -> None:
    stamps = [line(ended(), at)["timestamp"] for at in (0.0, 59.999, 60.0, 1_700_000_000.0)]
    assert stamps == [
        "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:59.999Z", "1970-01-01T00:01:00.000Z", "2023-11-14T22:13:20.000Z",
    ]  # fmt: skip


def test_a_url_in_an_error_keeps_its_password() -> None:
    error = ("Away", "no redis://:hunter2@cache:6379", "Traceback\nredis://:hunter2@cache")
    fields = line(ended("f", error=error, attempts=4))
    assert fields["message"] == "no redis://:***@cache:6379"
    assert "hunter2" not in fields["traceback"]


def people(job: Job, *, colours: bool = False) -> str:
    return console_line(Console(colours=colours), 1_700_000_000.25, job)


def test_for_people_the_line_says_what_came_of_whose_attempt() -> None:
    assert re.sub(r"^[0-9:]{8}", "HH:MM:SS", people(ended())) == (
        "HH:MM:SS.250 completed  emails send job-1 attempt 1/5  wait 40 ms  run 12 ms\n"
    )


def test_for_people_an_error_stands_in_the_line_and_its_traceback_below() -> None:
    error = ("ValueError", "no \x1b[31mway", "Traceback:\n  frame\n")
    retried = people(ended("r", error=error, delay_ms=2_000, workspace="acme"))
    assert retried.count("\n") == 1, "it will be tried again"
    assert retried.endswith("run 12 ms  workspace=acme  next in 2 s  ValueError: no �[31mway\n")
    assert people(ended("f", error=error, attempts=4)).splitlines()[1:] == ["    Traceback:", "      frame"]


def test_colours_are_for_terminals_alone() -> None:
    assert "\x1b" not in people(ended("f"))
    assert "\x1b[31mfailed    \x1b[0m" in people(ended("f"), colours=True)


@pytest.mark.parametrize("lengths", [[10] * 1_000, [4_096], [4_095, 2], [5_000, 10, 5_000], [1], []])
def test_chunks_end_at_line_ends_and_fit_into_one_write(lengths: list[int]) -> None:
    lines = ["x" * (length - 1) + "\n" for length in lengths]
    pieces = chunks(lines, 4_096)
    assert b"".join(pieces).decode() == "".join(lines)
    for piece in pieces:
        assert piece.endswith(b"\n")
        assert len(piece) <= 4_096 or piece.count(b"\n") == 1, "only a longer line goes alone"


def test_lines_are_measured_in_bytes() -> None:
    pieces = chunks(["é" * 1_500 + "\n"] * 2, 4_096)
    assert [len(piece) for piece in pieces] == [3_001, 3_001]


def write(descriptor: int, jobs: list[Job]) -> None:
    """Log finished jobs through the middleware, from boot to shutdown."""
    broker = StubBroker(middleware=[])
    worker = Worker(broker, worker_threads=1)
    log = AttemptLog(writer=LineWriter(descriptor))
    log.before_worker_boot(broker, worker)
    for job in jobs:
        log.after_ack(broker, job)
    log.after_worker_shutdown(broker, worker)


def test_every_attempt_has_its_line_when_the_worker_is_down(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        write(file.fileno(), [ended() for _ in range(500)])
    lines = path.read_text().splitlines()
    assert len(lines) == 500
    assert all(json.loads(each)["event"] == "attempt" for each in lines)


def test_a_slow_reader_of_a_pipe_gets_whole_lines() -> None:
    reader, writer = os.pipe()
    received = bytearray()

    def read() -> None:
        while data := os.read(reader, 1_000):
            received.extend(data)

    thread = threading.Thread(target=read)
    thread.start()
    write(writer, [ended() for _ in range(2_000)])
    os.close(writer)
    thread.join(10)
    os.close(reader)
    assert len([json.loads(each) for each in received.splitlines()]) == 2_000


def test_a_reader_that_is_gone_costs_the_lines_and_not_the_worker() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    write(writer, [ended() for _ in range(10)])
    os.close(writer)


def test_a_job_that_was_given_back_unstarted_has_no_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        write(file.fileno(), [ended("b", given_back=True), ended()])
    assert len(path.read_text().splitlines()) == 1
