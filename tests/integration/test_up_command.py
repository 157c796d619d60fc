"""``callboard up`` with its embedded server and real worker processes."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
import redis

from callboard.catalogue import default_queues
from tests.support.process import Running, callboard
from tests.support.wait import wait_until

#: Variables that would make `up` use another Redis than its own.
_REDIS = ("REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD")


@pytest.fixture(autouse=True)
def no_redis_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _REDIS:
        monkeypatch.delenv(name, raising=False)


class Up:
    """A `callboard up` on the stub application."""

    def __init__(self, folder: Path, *options: str, **env: str) -> None:
        folder.mkdir(exist_ok=True)
        self.notes = folder / "notes"
        self.data = folder / "data"
        command = callboard(
            "up", "--app", "tests.support.stub_app", "--processes", "1", "--threads", "1",
            "--data-dir", str(self.data), *options,
        )  # fmt: skip
        self.process = Running(command, folder / "log", {"STUB_APP_FILE": str(self.notes), **env})

    def __enter__(self) -> Running:
        return self.process.__enter__()

    def __exit__(self, *error: object) -> None:
        self.process.__exit__(None, None, None)

    def wait_for_worker(self) -> None:
        wait_until(
            lambda: self.notes.exists() and "ready" in self.notes.read_text(),
            30,
            lambda: f"a ready worker; it printed:\n{self.process.output}",
        )

    def client(self) -> redis.Redis:
        self.process.wait_for("In another terminal:")
        found = re.search(r"export REDIS_URL=(\S+)", self.process.output)
        assert found, self.process.output
        return redis.Redis.from_url(found[1], decode_responses=True)


def stop(process: Running) -> None:
    process.send(signal.SIGTERM)
    assert process.exit_code() == 0, process.output


def test_it_runs_redis_and_workers_and_ends_both(tmp_path: Path) -> None:
    up = Up(tmp_path)
    with up as process:
        client = up.client()
        up.wait_for_worker()
        server = client.info("server")["process_id"]
        stop(process)

        assert not Path(f"/proc/{server}").exists()
        with pytest.raises(redis.ConnectionError):
            client.ping()


def test_queues_shows_what_is_in_its_redis(tmp_path: Path) -> None:
    up = Up(tmp_path)
    with up as process:
        port = up.client().get_connection_kwargs()["port"]
        url = {"REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        with Running(callboard("queues", "--json"), tmp_path / "queues.json", url) as queues:
            assert queues.exit_code() == 0
        with Running(callboard("queues"), tmp_path / "queues.txt", url) as table:
            assert table.exit_code() == 0
        up.wait_for_worker()
        stop(process)

    names = list(default_queues())
    stats = json.loads(queues.output)
    assert [each["queue"] for each in stats] == names
    assert {each[state] for each in stats for state in ("waiting", "active", "failed")} == {0}
    assert [line.split()[0] for line in table.output.splitlines()] == ["queue", *names]


def test_its_redis_keeps_what_it_is_given(tmp_path: Path) -> None:
    up = Up(tmp_path)
    with up as process:
        client = up.client()
        config = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "bind", "protected-mode")
        assert config == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "bind": "127.0.0.1",
            "protected-mode": "yes",
        }
        client.set("kept", "yes")
        port = client.get_connection_kwargs()["port"]
        up.wait_for_worker()
        stop(process)
    up = Up(tmp_path)
    with up as process:
        client = up.client()
        assert client.get("kept") == "yes"
        assert client.get_connection_kwargs()["port"] == port
        up.wait_for_worker()
        stop(process)
    assert up.data.stat().st_mode & 0o777 == 0o700


def test_its_redis_is_started_again_when_it_dies(tmp_path: Path) -> None:
    up = Up(tmp_path)
    with up as process:
        client = up.client()
        up.wait_for_worker()
        server = client.info("server")["process_id"]
        wait_until(lambda: client.info("server")["uptime_in_seconds"] >= 6, 15, "a server that has settled")
        os.kill(server, signal.SIGKILL)
        process.wait_for("starting it again")

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

        wait_until(answers, 10, "the new server answers on the same port")
        stop(process)


def test_a_second_one_on_the_same_data_is_refused(tmp_path: Path) -> None:
    first = Up(tmp_path)
    with first as process:
        first.client()
        command = callboard("up", "--data-dir", str(first.data))
        with Running(command, tmp_path / "second.log") as second:
            assert second.exit_code() == 1
        assert second.output == (f"Error: another server uses {first.data}: stop it, or name another --data-dir\n")
        first.wait_for_worker()
        stop(process)


def test_a_port_that_is_taken_ends_it_with_the_reason(tmp_path: Path) -> None:
    first = Up(tmp_path / "first")
    with first as process:
        port = first.client().get_connection_kwargs()["port"]
        second = Up(tmp_path / "second", "--redis-port", str(port))
        with second as other:
            assert other.exit_code() == 1
        assert "the embedded Redis ended (exit code 1" in other.output
        assert "Traceback" not in other.output
        first.wait_for_worker()
        stop(process)


def test_a_redis_of_ones_own_is_used_instead(tmp_path: Path) -> None:
    up = Up(tmp_path, REDIS_URL="redis://127.0.0.1:1/0")
    with up as process:
        process.wait_for("the one of your environment")
        up.wait_for_worker()
        stop(process)
    assert not up.data.exists()


def test_an_application_that_does_not_run_ends_it_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_app.py").write_text("import no_such_module\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    command = callboard("up", "--app", "broken_app", "--processes", "1", "--data-dir", str(tmp_path / "data"))
    with Running(command, tmp_path / "log") as process:
        assert process.exit_code() == 2
    assert "giving up after 3 starts: broken_app does not run" in process.output
