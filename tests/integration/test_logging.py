"""What a worker process started by Dramatiq's CLI writes to its own standard error: JSON in a file, and on a terminal
lines for people."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from callboard import QueueService
from callboard.ids import new_id
from callboard.settings import Settings
from tests.support.process import ROOT
from tests.support.redis_server import Server
from tests.support.wait import wait_until

APP = "tests.support.logging_app"

_OF_THE_CLI = re.compile(r"\[[^]]+\] \[PID \d+\] \[\w+\] \[dramatiq\.")


def a_service(server: Server) -> QueueService:
    queues = {"work": {"backoff_base_ms": 1, "max_attempts": 2}}
    return QueueService(
        Settings(redis_url=SecretStr(server.url), prefix=f"log-{new_id()}", queues=queues, only_queues=True)
    )


@contextmanager
def worker(service: QueueService, stderr: int, **env: str) -> Iterator[None]:
    """A worker of the application, through Dramatiq's CLI, from its start to its end at SIGTERM."""
    settings = service.settings
    process = subprocess.Popen(
        [sys.executable, "-m", "dramatiq", APP, "--processes", "1", "--threads", "1"],
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True,
        env={
            **os.environ, "REDIS_URL": settings.url, "CALLBOARD_PREFIX": settings.prefix,
            "CALLBOARD_QUEUES": json.dumps(settings.queues), "CALLBOARD_ONLY_QUEUES": "1", **env,
        },
    )  # fmt: skip
    try:
        wait_until(service.get_workers, 40, "a worker that has booted")
        yield
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def run(service: QueueService, actor: str, **payload: Any) -> str:
    """Run a job to its end. Returns: its id."""
    job = service.add_job("work", actor, payload).id
    wait_until(lambda: service.get_job("work", job).state in ("completed", "failed"), 20, f"the end of {actor}")
    return job


@dataclass
class Written:
    """What a worker wrote into a file, and the ids of the jobs that it ran."""

    text: str
    talk: str
    spoken: str
    fail: str
    interrupted: list[str]
    last: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Its lines; those of the CLI's main process, which writes into the same file, are left out."""
        own = [line for line in self.text.splitlines() if not _OF_THE_CLI.match(line)]
        return [json.loads(line) for line in own]

    def of(self, job: str) -> list[dict[str, Any]]:
        """The lines of a job."""
        return [line for line in self.lines if line.get("job") == job]


@pytest.fixture(scope="module")
def written(valkey_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Written:
    path = tmp_path_factory.mktemp("log") / "stderr"
    service = a_service(valkey_server)
    with path.open("wb") as file, worker(service, file.fileno()):
        jobs = Written(
            "", run(service, "talk", password="hunter2"), run(service, "talk_async"), run(service, "fail"),
            [run(service, "interrupted") for _ in range(3)], run(service, "talk"),
        )  # fmt: skip
    service.close()
    jobs.text = path.read_text(encoding="utf-8")
    return jobs


def told(line: dict[str, Any], *names: str) -> list[Any]:
    """The fields of a line that every line has, and those of these names."""
    return [line.get(name) for name in ("event", "level", "logger", *names)]


def test_lines_of_structlog_and_of_the_standard_library_stand_beside_the_attempts(written: Written) -> None:
    context = {"queue": "work", "actor": "talk", "job": written.talk, "attempt": 1, "of": 2}
    by_structlog, by_logging, attempt = written.of(written.talk)
    for line in written.of(written.talk):
        assert {name: line[name] for name in context} == context
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
    assert told(by_structlog, "order", "text") == ["by structlog", "info", "app.jobs", 7, "two\nlines"]
    assert told(by_logging, "order", "n") == ["by logging", "warning", "library", 7, 1]
    assert told(attempt, "outcome") == ["attempt", "info", None, "completed"]


def test_secrets_are_masked(written: Written) -> None:
    assert written.of(written.talk)[0]["password"] == "***"
    assert "hunter2" not in written.text


def test_coroutines_belong_to_their_job_and_have_nothing_of_the_job_before(written: Written) -> None:
    assert [line["event"] for line in written.of(written.spoken)] == ["in a coroutine", "beside it", "attempt"]
    assert not any("order" in line for line in written.of(written.spoken)), "bound by another job of this thread"


def test_exceptions_are_fields(written: Written) -> None:
    caught, attempt = written.of(written.fail)
    assert told(caught, "error", "message") == ["caught", "error", "app.jobs", "ValueError", "no\nway"]
    assert "raise ValueError" in caught["traceback"]
    assert (attempt["outcome"], attempt["error"]) == ("failed", "ValueError")


def test_what_libraries_say_outside_jobs_is_json_too(written: Written) -> None:
    [ready] = [line for line in written.lines if line["event"] == "Worker process is ready for action."]
    assert ready["logger"].startswith("dramatiq.")
    assert ready["pid"] > 0


def test_a_job_that_is_interrupted_while_it_logs_stops_nobody_from_logging(written: Written) -> None:
    for job in written.interrupted:
        attempts = [line for line in written.of(job) if line["event"] == "attempt"]
        assert [line["error"] for line in attempts] == ["TimeLimitExceeded"]
    assert [line["event"] for line in written.of(written.last)] == ["by structlog", "by logging", "attempt"]


def test_at_level_debug_no_line_has_a_value_of_a_payload(valkey_server: Server, tmp_path: Path) -> None:
    path, service = tmp_path / "stderr", a_service(valkey_server)
    with path.open("wb") as file, worker(service, file.fileno(), CALLBOARD_LOG_LEVEL="debug"):
        jobs = [run(service, "talk", password="hunter2"), run(service, "hear", word="hunter2")]
        service.add_job("work", "hear", {"word": "hunter2", "skip": True})
        wait_until(lambda: "Rate limit exceeded in message hear(" in path.read_text(encoding="utf-8"), 20, "that line")
    service.close()
    text = path.read_text(encoding="utf-8")
    for job in jobs:
        received = [line for line in text.splitlines() if "Received message" in line and job in line]
        assert len(received) == 1, "what else Dramatiq says is there"
    assert '"level":"debug"' in text
    leaks = [line for line in text.splitlines() if "hunter2" in line]
    assert not leaks, leaks


def test_on_a_terminal_lines_are_for_people(valkey_server: Server) -> None:
    master, terminal = os.openpty()
    received = bytearray()

    def read() -> None:
        try:
            while data := os.read(master, 4_096):
                received.extend(data)
        except OSError:
            pass  # nobody has the terminal open any more

    thread = threading.Thread(target=read)
    thread.start()
    service = a_service(valkey_server)
    with worker(service, terminal, NO_COLOR="", CALLBOARD_LOG_LEVEL="DEBUG"):
        os.close(terminal)
        job = run(service, "talk", password="hunter2")
    service.close()
    thread.join(10)
    os.close(master)
    text = received.decode().replace("\r\n", "\n")
    assert "\x1b[32mcompleted \x1b[0m" in text, "colours"
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    lines = [line for line in plain.splitlines() if f" {job} " in line]
    who = f"work talk {job} attempt 1/2"
    assert re.fullmatch(
        rf'\d\d:\d\d:\d\d\.\d\d\d info       {who}  by structlog  password=\*\*\*  text="two\\nlines"  '
        r"order=7  logger=app\.jobs", lines[0],
    )  # fmt: skip
    assert re.fullmatch(rf"[\d:.]+ debug      {who}  details  order=7  logger=app\.jobs", lines[1])
    assert re.fullmatch(rf"[\d:.]+ warning    {who}  by logging  n=1  order=7  logger=library", lines[2])
    assert re.fullmatch(rf"[\d:.]+ completed  {who}  wait \d+ ms  run \d+ ms", lines[3])
    assert "{" not in "".join(lines)
    assert re.search(r"[\d:.]+ info       dramatiq\.\S+  Worker process is ready for action\.", plain)
