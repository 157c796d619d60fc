"""Logging of a worker process: structlog and the standard library as one, whole, with the job's context."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import dramatiq
import pytest
import structlog
from dramatiq import Worker
from dramatiq.brokers.stub import StubBroker
from pydantic import BaseModel, SecretStr, ValidationError

from callboard.catalogue import QueueSpec
from callboard.current import CurrentJob, Speaker, set_current
from callboard.settings import Settings
from callboard.worker.job import Job
from middleware.attempt_log import AttemptLog
from middleware.job_logging import JobLogging
from middleware.logs.console import Console, LogFormat, console_for
from middleware.logs.setup import LogHandler
from middleware.logs.values import FIELD_MAX, LINE_MAX
from middleware.logs.writer import LineWriter
from tests.support.jobs import make_job

log = structlog.get_logger("app.module")
plain = logging.getLogger("app.plain")


class Log:
    """A worker's log in a file, from boot to shutdown."""

    def __init__(self, path: Path, log_format: LogFormat = "json", level: str = "info") -> None:
        self._path = path
        self._file = path.open("wb")
        self._broker = StubBroker(middleware=[])
        self._worker = Worker(self._broker, worker_threads=1)
        writer = LineWriter(self._file.fileno())
        self.attempts = AttemptLog(log_format, writer)
        self.logging = JobLogging(log_format, level, writer)
        self.logging.before_worker_boot(self._broker, self._worker)
        self.attempts.before_worker_boot(self._broker, self._worker)

    def text(self) -> str:
        """Shut the worker down, and tell all that it wrote."""
        if not self._file.closed:
            self.attempts.after_worker_shutdown(self._broker, self._worker)
            self.logging.after_worker_shutdown(self._broker, self._worker)
            self._file.close()
        return self._path.read_text(encoding="utf-8")

    def lines(self) -> list[dict[str, Any]]:
        """All lines, each read as JSON."""
        return [json.loads(line, parse_constant=pytest.fail) for line in self.text().splitlines()]

    def line(self) -> dict[str, Any]:
        """The only line."""
        lines = self.lines()
        assert len(lines) == 1, lines
        return lines[0]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path / "log")
    yield log
    log.text()


@contextmanager
def alone() -> Iterator[None]:
    """Without the handlers of pytest, which cannot take everything that ours can."""
    root = logging.getLogger()
    others = [handler for handler in root.handlers if not isinstance(handler, LogHandler)]
    for each in others:
        root.removeHandler(each)
    yield
    for each in others:
        root.addHandler(each)


@pytest.fixture
def job() -> Iterator[Job]:
    """A job that this thread runs."""
    job = make_job(QueueSpec(name="emails"), "send", workspace="acme", attempts=1)
    job.max_attempts = 5
    set_current(CurrentJob(job, cast("Speaker", None)))
    yield job
    set_current(None)


CONTEXT = {"queue": "emails", "actor": "send", "job": "job-1", "attempt": 2, "of": 5, "workspace": "acme"}


def test_a_line_of_structlog_and_one_of_the_standard_library_are_alike(written: Log, job: Job) -> None:
    log.warning("sent", to="ada", n=3)
    plain.warning("sent %s", "all", extra={"to": "ada", "n": 3})
    first, second = written.lines()
    for line, event, logger in ((first, "sent", "app.module"), (second, "sent all", "app.plain")):
        at = datetime.fromisoformat(line.pop("timestamp"))
        assert abs((datetime.now(UTC) - at).total_seconds()) < 60
        assert line == {"level": "warning", "event": event, "logger": logger, **CONTEXT, "to": "ada", "n": 3}
        assert list(line) == ["level", "event", "logger", *CONTEXT, "to", "n"], "the same order as in attempts"


def test_outside_a_job_a_line_says_which_process_it_is(written: Log) -> None:
    log.info("ready")
    line = written.line()
    assert line["pid"] == os.getpid()
    assert not set(line) & set(CONTEXT)


def test_a_job_of_no_workspace_says_none(written: Log, job: Job) -> None:
    job.workspace = ""
    log.info("x")
    assert "workspace" not in written.line()


def test_coroutines_and_copied_contexts_belong_to_the_job(written: Log, job: Job) -> None:
    async def main() -> None:
        log.info("inside")
        await log.ainfo("beside")

    asyncio.run(main())
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(log.info, "thread"))
    thread.start()
    thread.join()
    assert [(line["event"], line["job"]) for line in written.lines()] == [
        ("inside", "job-1"), ("beside", "job-1"), ("thread", "job-1"),
    ]  # fmt: skip


def test_the_jobs_fields_cannot_be_replaced_and_nothing_is_lost(written: Log, job: Job) -> None:
    log.info("x", job="other", attempt=2, level="high", timestamp=1)
    line = written.line()
    assert (line["job"], line["given_job"]) == ("job-1", "other")
    assert "given_attempt" not in line, "the same value"
    assert (line["level"], line["given_level"], line["given_timestamp"]) == ("info", "high", 1)


def test_what_a_job_binds_is_in_its_lines_and_ends_with_it(written: Log, job: Job) -> None:
    structlog.contextvars.bind_contextvars(order=7)
    log.info("one")
    plain.info("two")
    log.bind(part=1).info("three")
    written.logging.after_process_message(dramatiq.get_broker(), job)
    log.info("four")
    assert [line.get("order") for line in written.lines()] == [7, 7, 7, None]
    assert written.lines()[2]["part"] == 1


def failing() -> None:
    raise ValueError("no\nway: redis://:hunter2@h")


def test_an_exception_is_a_type_a_message_and_a_traceback_in_one_line(written: Log) -> None:
    for write in (log.exception, plain.exception):
        try:
            failing()
        except ValueError:
            write("failed")
    assert len(written.text().splitlines()) == 2
    for line in written.lines():
        assert (line["error"], line["message"]) == ("ValueError", "no\nway: redis://:***@h")
        assert "in failing" in line["traceback"]
        assert "hunter2" not in line["traceback"]


def test_long_exceptions_are_cut_and_odd_ones_told(written: Log) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    log.error("x", exc_info=ValueError("y" * 100_000))
    log.error("x", exc_info=Mute())
    log.error("x", exc_info=True)  # noqa: LOG014  # what happens then is asked here
    log.error("x", error="mine", exc_info=ValueError("z"))
    long, mute, none, mine = written.lines()
    assert len(long["message"]) <= 501
    assert 0 < len(long["traceback"]) <= 4_000
    assert mute["error"] == "Mute"
    assert "error" not in none, "there was no exception"
    assert (mine["error"], mine["message"]) == ("mine", "z")


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Model(BaseModel):
    user: str
    password: str
    pin: SecretStr


@dataclasses.dataclass
class Data:
    token: str
    n: int


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"), (float("-inf"), "-inf"), (1.5, 1.5), (2**63, 2**63), (10**5_000, hex(10**5_000)),
        (None, None), (True, True), (b"\xff", "b'\\xff'"), ({1: {2}}, {"1": [2]}), ((1, "a"), [1, "a"]),
        (Odd(), "<Odd that cannot be shown: RuntimeError>"), ("\ud800\x1b", "\ud800\x1b"),
        (datetime(2030, 1, 1, tzinfo=UTC), "datetime.datetime(2030, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)"),
        (SecretStr("s"), "***"), ({"a": [SecretStr("s")]}, {"a": ["***"]}),
        (Model(user="u", password="p", pin=SecretStr("s")), {"user": "u", "password": "***", "pin": "***"}),
        (Data("t", 1), {"token": "***", "n": 1}), ({"Api-Key": "k", "b": {"cookie": ["c"]}},
         {"Api-Key": "***", "b": {"cookie": "***"}}), ("redis://:pw@h", "redis://:***@h"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_any_value_is_logged(written: Log, value: Any, shown: Any) -> None:
    with alone():
        log.info("x", value=value)
        plain.info("x", extra={"value": value})
    for line in written.lines():
        assert line["value"] == shown


def test_values_that_are_huge_or_endless_are_cut(written: Log) -> None:
    log.info("e" * 100_000, text="é" * 100_000, many=list(range(100_000)), deep=CIRCLE, more={"k": ["v" * 9_000] * 9})
    log.info("x", **{f"n{i}": "v" * 5_000 for i in range(50)})
    for text in written.text().splitlines():
        assert len(text) < 6 * LINE_MAX + 20_000, "escapes may take six characters for one"
    line = written.lines()[0]
    assert line["text"] == "é" * (FIELD_MAX - 8) + "…"
    assert len(line["event"]) == FIELD_MAX + 1
    assert line["many"][-1].endswith(" more")
    assert len(json.dumps(line["more"])) < FIELD_MAX + 200


def test_a_secret_that_is_cut_in_two_is_not_shown_by_half(written: Log) -> None:
    text = "x" * (FIELD_MAX - 15) + " redis://:hunter2hunter2@h"
    log.info(text)
    assert "hunt" not in written.text()


def test_secrets_are_masked_in_fields_events_and_arguments(written: Log) -> None:
    log.info("with redis://:hunter2@h", password="hunter2", headers={"Authorization": "hunter2"})
    plain.info("to %s", "redis://:hunter2@h", extra={"api_key": "hunter2"})
    assert "hunter2" not in written.text()
    assert len(written.lines()) == 2


def test_a_line_that_cannot_be_made_is_reported(written: Log) -> None:
    with alone():
        plain.info("%d things", "no number")
    line = written.line()
    assert (line["event"], line["error"], line["logger"]) == ("a log line could not be made", "TypeError", "app.plain")


def test_an_attempts_line_comes_after_the_lines_of_its_job(written: Log, job: Job) -> None:
    for i in range(200):
        log.info("working", i=i)
        written.attempts.after_ack(dramatiq.get_broker(), job)
    lines = written.lines()
    assert [line["event"] for line in lines] == ["working", "attempt"] * 200
    assert [line["i"] for line in lines[::2]] == list(range(200))


def test_lines_of_many_threads_come_whole(written: Log) -> None:
    def work(name: int) -> None:
        for i in range(100):
            log.info("x" * 500, thread=name, i=i)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = written.lines()
    assert len(lines) == 800
    for n in range(8):
        assert [line["i"] for line in lines if line["thread"] == n] == list(range(100))


def test_a_lock_that_an_interrupted_job_keeps_stops_nobody_from_logging(written: Log) -> None:
    def say(event: str) -> None:
        for logger in (log, structlog.get_logger(), plain):
            logger.info(event)

    say("once")  # each logger's first line looks up its level, under the lock
    with alone(), logging._lock:  # type: ignore[attr-defined]
        thread = threading.Thread(target=say, args=("again",), daemon=True)
        thread.start()
        thread.join(5)
        assert not thread.is_alive(), "logging waits for the lock of all logging"
    names = ["app.module", __name__, "app.plain"]
    assert [(line["event"], line["logger"]) for line in written.lines()] == [
        *(("once", name) for name in names), *(("again", name) for name in names),
    ]  # fmt: skip


def test_the_handler_has_no_lock(written: Log) -> None:
    [handler] = [h for h in logging.getLogger().handlers if isinstance(h, LogHandler)]
    assert handler.lock is None
    logging.shutdown([lambda: handler])  # as at the end of the process


def test_levels(tmp_path: Path) -> None:
    warn = Log(tmp_path / "warn", level="warning")
    for logger in (log, plain):
        logger.info("no")
        logger.warning("yes")
    assert [line["event"] for line in warn.lines()] == ["yes", "yes"]
    debug = Log(tmp_path / "debug", level="debug")
    for logger in (log, plain):
        logger.debug("yes")
    assert [line["level"] for line in debug.lines()] == ["debug", "debug"]


def test_after_the_shutdown_logging_is_as_before(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level, structlog.is_configured(), structlog.get_config())
    log_ = Log(tmp_path / "log")
    assert list(root.handlers) != before[0]
    log_.text()
    assert (list(root.handlers), root.level, structlog.is_configured(), structlog.get_config()) == before


def test_a_handler_of_standard_error_is_replaced_and_others_stay(tmp_path: Path, capsys: Any) -> None:
    root = logging.getLogger()
    cli, other = logging.StreamHandler(sys.stderr), logging.FileHandler(tmp_path / "other")
    root.addHandler(cli)
    root.addHandler(other)
    try:
        log_ = Log(tmp_path / "log")
        plain.warning("once")
        assert log_.line()["event"] == "once"
        assert capsys.readouterr().err == ""
        assert (tmp_path / "other").read_text() == "once\n"
        assert cli in root.handlers
    finally:
        root.removeHandler(cli)
        root.removeHandler(other)
        other.close()


def test_a_second_worker_in_the_process_writes_no_line_twice(written: Log, tmp_path: Path) -> None:
    second = Log(tmp_path / "second")
    log.info("once")
    assert second.text() == ""
    log.info("still")
    assert [line["event"] for line in written.lines()] == ["once", "still"]


def test_a_process_that_a_job_forked_writes_its_lines_itself(written: Log, job: Job) -> None:
    child = os.fork()
    if child == 0:
        log.info("child")
        os._exit(0)
    os.waitpid(child, 0)
    log.info("parent")
    assert [(line["event"], line["job"]) for line in written.lines()] == [("child", "job-1"), ("parent", "job-1")]


def test_lines_after_the_writers_end_are_written_at_once(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        writer = LineWriter(file.fileno())
        writer.open()
        writer.put("one\n")
        writer.close()
        writer.put("two\n")
        writer.put_finished("three\n")
    assert (tmp_path / "log").read_text() == "one\ntwo\nthree\n"


def test_a_reader_that_is_too_slow_costs_lines_and_is_told_how_many(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("middleware.logs.writer._MAX_FINISHED", 5)
    reader, writing = os.pipe()
    writer = LineWriter(writing)
    writer.open()
    for _ in range(2_000):
        writer.put_finished("x" * 1_000 + "\n")
    received = bytearray()

    def read() -> None:
        while data := os.read(reader, 65_536):
            received.extend(data)

    thread = threading.Thread(target=read)
    thread.start()
    writer.close()
    os.close(writing)
    thread.join(10)
    os.close(reader)
    lost = 2_000 - len(received.splitlines())
    [said] = [record.getMessage() for record in caplog.records if record.name == "callboard.logs"]
    assert said == f"{lost} log lines were dropped: their reader is too slow"


def test_for_people(tmp_path: Path, job: Job) -> None:
    log_ = Log(tmp_path / "log", "console")
    log.info("email sent", accepted=2, note="two words", to=["a"])
    try:
        failing()
    except ValueError:
        log.exception("it\n\x1b[31mfailed")
    log_.attempts.after_ack(dramatiq.get_broker(), job)
    set_current(None)
    plain.warning("odd")
    text = log_.text()
    assert "\x1b" not in text
    lines = text.splitlines()
    who = "emails send job-1 attempt 2/5"
    assert lines[0][12:] == (
        f' info       {who}  email sent  workspace=acme  accepted=2  note="two words"  to=["a"]  logger=app.module'
    )
    assert lines[1][12:] == f" error      {who}  it"
    assert lines[2] == "    �[31mfailed  workspace=acme  logger=app.module  ValueError: no"
    assert lines[4] == "    Traceback (most recent call last):"
    assert lines[-2][12:] == f" completed  {who}  wait 40 ms  run 0 ms  workspace=acme"
    assert lines[-1][12:] == " warning    app.plain  odd"


def examples() -> tuple[list[str], list[str]]:
    """The lines that the guide shows: JSON, and for people."""
    page = (Path(__file__).parents[2] / "docs/guides/logging.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(json|text)\n(.*?)```", page, re.DOTALL)
    assert [kind for kind, _ in blocks] == ["json", "text"]
    return blocks[0][1].splitlines(), blocks[1][1].splitlines()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_guide_shows_lines_as_they_are(tmp_path: Path, log_format: LogFormat) -> None:
    as_json, for_people = examples()
    job = make_job(
        QueueSpec(name="email-notifications"), "send_email", id=json.loads(as_json[0])["job"], workspace="acme"
    )
    job.max_attempts, job.duration = 5, 340
    log_ = Log(tmp_path / "log", log_format)
    set_current(CurrentJob(job, cast("Speaker", None)))
    structlog.get_logger("actors.email.sending").info("email sent", accepted=2, token="t")
    logging.getLogger("smtplib").warning("%s answered slowly", "mx.example.org")
    set_current(None)
    log_.attempts.after_ack(dramatiq.get_broker(), job)

    def timeless(lines: list[str]) -> list[str]:
        return [re.sub(r"\d\d:\d\d:\d\d\.\d{3}", "TIME", re.sub(r"\d{4}-\d\d-\d\dT", "", each)) for each in lines]

    shown = as_json if log_format == "json" else for_people
    assert timeless(log_.text().splitlines()) == timeless(shown)


def test_the_form_follows_the_descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    master, terminal = os.openpty()
    with (tmp_path / "log").open("wb") as file:
        assert console_for("auto", file.fileno()) is None
        assert _coloured(console_for("console", file.fileno())) is False
    assert console_for("json", terminal) is None
    assert _coloured(console_for("auto", terminal)) is True
    monkeypatch.setenv("NO_COLOR", "1")
    assert _coloured(console_for("auto", terminal)) is False
    os.close(master)
    os.close(terminal)


def _coloured(console: Console | None) -> bool:
    assert console is not None
    return "\x1b" in console.row(0.0, "failed", "", [])


@pytest.mark.parametrize(("given", "on"), [("off", False), ("on", True), ("true", True), ("0", False)])
def test_settings(given: str, on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_ATTEMPT_LOG", given)
    monkeypatch.setenv("CALLBOARD_LOG_LEVEL", "WARNING")
    settings = Settings()
    assert (settings.attempt_log, settings.log_level, settings.log_format) == (on, "warning", "auto")
    with pytest.raises(ValidationError, match="log_format"):
        Settings(log_format=cast("Any", "xml"))
