"""``callboard worker`` on real processes that really die."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.process import Running, alive, callboard
from tests.support.wait import wait_until

STUB = ("worker", "--app", "tests.support.stub_app", "--threads", "1")


class Ready(NamedTuple):
    """A worker process that said it is ready."""

    slot: int
    worker: int
    leader: int


class Notes:
    """What the worker processes of the stub application wrote down."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    @property
    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()

    @property
    def ready(self) -> list[Ready]:
        return [Ready(*map(int, line.split()[1:])) for line in self.lines if line.startswith("ready")]

    def wait_for_ready(self, count: int, timeout_s: float = 30.0) -> list[Ready]:
        wait_until(lambda: len(self.ready) >= count, timeout_s, lambda: f"{count} ready workers, notes: {self.lines}")
        return self.ready


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Notes]:
    notes = Notes(tmp_path / "notes")
    yield notes
    for each in notes.ready:  # nothing that a failed test started stays
        for pid in (each.worker, each.leader):
            if alive(pid):
                os.kill(pid, signal.SIGKILL)


def run(notes: Notes, *options: str, **env: str) -> Running:
    return Running(
        callboard(*STUB, *options), notes.path.with_suffix(".log"), {"STUB_APP_FILE": str(notes.path), **env}
    )


def gone(*pids: int) -> None:
    wait_until(lambda: not any(map(alive, pids)), 15, lambda: f"{pids} ended; alive: {list(filter(alive, pids))}")


def test_a_killed_worker_process_is_replaced_and_the_others_stay(notes: Notes) -> None:
    with run(notes, "--processes", "2") as supervisor:
        by_slot = {each.slot: each for each in notes.wait_for_ready(2)}
        assert sorted(by_slot) == [0, 1]
        os.kill(by_slot[0].worker, signal.SIGKILL)
        new = notes.wait_for_ready(3)[-1]

        assert new.slot == 0
        assert not alive(by_slot[0].leader)
        assert alive(by_slot[1].worker)
        assert alive(by_slot[1].leader)

        supervisor.send(signal.SIGTERM)
        assert supervisor.exit_code() == 0
    assert "worker 0" in supervisor.output
    assert "the worker process was killed or raised while it started" in supervisor.output


def test_a_killed_leader_takes_its_worker_along_and_is_replaced(notes: Notes) -> None:
    with run(notes, "--processes", "1") as supervisor:
        (old,) = notes.wait_for_ready(1)
        os.kill(old.leader, signal.SIGKILL)
        new = notes.wait_for_ready(2)[-1]

        assert not alive(old.worker), "the old worker must be gone before its slot is used again"
        assert new.slot == 0
        supervisor.send(signal.SIGTERM)
        assert supervisor.exit_code() == 0
    assert "killed by SIGKILL" in supervisor.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_every_process(notes: Notes, number: signal.Signals) -> None:
    with run(notes, "--processes", "2") as supervisor:
        ready = notes.wait_for_ready(2)
        supervisor.send(number)

        assert supervisor.exit_code() == 0
        gone(*(pid for each in ready for pid in (each.worker, each.leader)))


def test_a_running_job_finishes_before_its_process_ends(notes: Notes, tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    with run(notes, "--processes", "1", STUB_APP_JOB=str(go_on)) as supervisor:
        notes.wait_for_ready(1)
        wait_until(lambda: "running" in notes.lines, 10, "the job runs")
        supervisor.send(signal.SIGTERM)
        supervisor.wait_for("Shutting down...")
        go_on.touch()

        assert supervisor.exit_code() == 0
    assert notes.lines[-1] == "finished", supervisor.output


def test_a_job_that_outlives_the_grace_does_not_hold_up_the_end(notes: Notes) -> None:
    with run(notes, "--processes", "1", "--grace", "0.2", STUB_APP_JOB="/does/not/exist") as supervisor:
        (ready,) = notes.wait_for_ready(1)
        wait_until(lambda: "running" in notes.lines, 10, "the job runs")
        supervisor.send(signal.SIGTERM)

        supervisor.exit_code()
        gone(ready.worker, ready.leader)


def test_a_second_stop_signal_does_not_wait_for_jobs(notes: Notes) -> None:
    with run(notes, "--processes", "1", "--grace", "600", STUB_APP_JOB="/does/not/exist") as supervisor:
        (ready,) = notes.wait_for_ready(1)
        wait_until(lambda: "running" in notes.lines, 10, "the job runs")
        supervisor.send(signal.SIGTERM)
        supervisor.wait_for("SIGTERM: finishing running jobs")
        supervisor.send(signal.SIGTERM)

        assert supervisor.exit_code() == 1
        gone(ready.worker, ready.leader)


@pytest.mark.long
def test_hup_replaces_the_first_process_before_it_touches_the_second(notes: Notes) -> None:
    with run(notes, "--processes", "2") as supervisor:
        by_slot = {each.slot: each for each in notes.wait_for_ready(2)}
        supervisor.send(signal.SIGHUP)
        new = notes.wait_for_ready(3)[-1]

        assert new.slot == 0
        assert not alive(by_slot[0].worker)
        assert alive(by_slot[1].worker)
        supervisor.send(signal.SIGTERM)
        assert supervisor.exit_code() == 0


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (("worker", "--app", "no_such_module"), {}, "--app no_such_module: there is no module 'no_such_module' in "),
        (("up", "--app", "no_such_module"), {}, "--app no_such_module: there is no module 'no_such_module' in "),
        (("worker", "--app", "tests.support.nope:broker"), {}, "there is no module 'tests.support.nope' in "),
        (("worker", "-Q", "nope"), {}, "--queues: unknown queue 'nope'; the catalogue has: post-publishing, "),
        (("worker", "-Q", "data-exports"), {}, "unknown queue 'data-exports' (did you mean 'data-export'?)"),
        (("worker",), {"CALLBOARD_LOG_LEVEL": "loud"}, "Error: CALLBOARD_LOG_LEVEL: Input should be 'debug', 'info', "),
        (("up",), {"CALLBOARD_LOG_LEVEL": "loud"}, "Error: CALLBOARD_LOG_LEVEL: Input should be 'debug', 'info', "),
    ],
)
def test_what_would_fail_in_every_process_is_said_before_one_is_started(
    tmp_path: Path, arguments: tuple[str, ...], env: dict[str, str], said: str
) -> None:
    with Running(callboard(*arguments), tmp_path / "log", env) as supervisor:
        assert supervisor.exit_code() == 2
    assert said in supervisor.output
    assert "started" not in supervisor.output
    assert "Traceback" not in supervisor.output


def test_an_application_that_cannot_be_imported_ends_it_and_says_how_to_see_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_app.py").write_text("import no_such_module\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    command = callboard("worker", "--app", "broken_app", "--processes", "2")
    with Running(command, tmp_path / "log") as supervisor:
        assert supervisor.exit_code() == 2
    assert "No module named 'no_such_module'" in supervisor.output
    assert supervisor.output.rstrip().endswith(
        "giving up after 3 starts: broken_app does not run; python -c 'import broken_app' shows why"
    )


def test_a_redis_that_is_away_is_said_once_and_waited_for(notes: Notes) -> None:
    with run(notes, "--processes", "1", REDIS_URL="redis://user:s3cret@127.0.0.1:1/0") as supervisor:
        notes.wait_for_ready(1)
        supervisor.send(signal.SIGTERM)
        assert supervisor.exit_code() == 0
    (line,) = [line for line in supervisor.output.splitlines() if "Redis" in line]
    assert "127.0.0.1:1" in line
    assert "the workers wait for it" in line
    assert "s3cret" not in supervisor.output


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_workers_end_when_their_supervisor_is_killed(notes: Notes) -> None:
    with run(notes, "--processes", "2") as supervisor:
        ready = notes.wait_for_ready(2)
        supervisor.send(signal.SIGKILL)
        supervisor.exit_code()

        gone(*(pid for each in ready for pid in (each.worker, each.leader)))
