"""docs/guides/write-a-job.md as it is followed: its commands, its code and what they show, on ``callboard up``."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from callboard import QueueService, Settings
from callboard.errors import JobNotFound
from tests.integration.conftest import AppMaker
from tests.support.app import App
from tests.support.guides import blocks, environment, files, session, write_project
from tests.support.wait import wait_until

PAGE = "write-a-job"
QUEUE = "analytics-collection"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Path]:
    """A terminal in which the guide's first commands run, `callboard up` last; its output is in the file."""
    write_project(PAGE, tmp_path)
    output = tmp_path / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["sh", "-ec", blocks(PAGE, "sh")[0]], cwd=tmp_path, env=environment(), stdout=file,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        yield output
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            wait_until(lambda: not _lives(process.pid), 30, "the processes of `callboard up` to end")


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_guide_does_what_it_says(terminal: Path) -> None:
    folder = terminal.parent

    def url() -> str:
        found = re.search(r"export REDIS_URL=(\S+)", terminal.read_text(encoding="utf-8", errors="replace"))
        return found[1] if found else ""

    redis_url = wait_until(url, 60, lambda: f"the line for other terminals in:\n{terminal.read_text()}")
    service = QueueService(Settings(redis_url=redis_url))  # type: ignore[arg-type]
    wait_until(lambda: "count_hashtags" in json.dumps(_actors(service)), 60, "the worker to publish its actors")

    (folder / "session.py").write_text(session(PAGE), encoding="utf-8")
    other_terminal = environment(REDIS_URL=redis_url)
    said = subprocess.run(
        [sys.executable, "session.py"], cwd=folder, env=other_terminal, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    printed = re.search(r"print\(error\)  # (.*)", session(PAGE))
    assert printed is not None
    assert said.stdout.strip() == printed[1], "the guide shows another message"

    def ended() -> bool:
        try:
            return service.get_job(QUEUE, "hashtags-may").state == "completed"
        except JobNotFound:
            return False

    wait_until(ended, 60, lambda: f"the job to complete; the terminal says:\n{terminal.read_text()}")
    assert service.get_result(QUEUE, "hashtags-may", timeout=10) == {"spring": 1, "sale": 1}
    assert service.get_queue_stats(QUEUE).delayed == 2
    wait_until(lambda: service.get_queue_stats(QUEUE).completed == 3, 60, "the other jobs")

    shown = subprocess.run(
        ["sh", "-ec", blocks(PAGE, "sh")[1]], cwd=folder, env=other_terminal, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert shown.returncode == 0, shown.stdout + shown.stderr
    for what in ("hashtags-may", "acme", "completed", "1 posts, 2 hashtags", "spring"):
        assert what in shown.stdout, f"{what!r} is not in\n{shown.stdout}"
    assert len(blocks(PAGE, "sh")) == 2, "commands that nobody runs"
    service.close()


def _actors(service: QueueService) -> list[str]:
    return [actor.name for actor in service._registry.all()]


def test_what_the_guide_to_flows_shows_is_what_comes(app_of_ten_queues: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its actors run in this process; its session runs as it stands, and prints what its comments say."""
    settings = app_of_ten_queues.settings
    exec(compile(files("flows")["collecting.py"], "collecting.py", "exec"), {})
    app_of_ten_queues.start()
    printed: list[str] = []
    monkeypatch.setattr("callboard.QueueService", lambda: QueueService(settings))
    exec(
        compile(session("flows"), "session.py", "exec"),
        {"print": lambda *parts: printed.append(" ".join(str(part) for part in parts))},
    )
    assert printed == re.findall(r"(?:^# |\)  # )(.+)$", session("flows"), re.MULTILINE)


@pytest.fixture
def app_of_ten_queues(make_app: AppMaker) -> App:
    """An application on the default catalogue."""
    return make_app(queues={}, only_queues=False)
