"""bin/monitoring when something is wrong: what it says, and that nothing of it stays. (All of it well: tests/e2e.)"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from demo.monitoring.places import USUAL_PORTS
from tests.support.process import Running

#: Programs in place of Debian's; `exec`, so that a signal ends them.
STAYS = "#!/bin/sh\nexec sleep 600\n"
PROGRAMS = ("prometheus", "prometheus-alertmanager", "prometheus-redis-exporter")


@contextmanager
def started(folder: Path, programs: dict[str, str]) -> Iterator[Running]:
    """bin/monitoring with these programs (name -> script) and no others of its kind."""
    place = folder / "bin"
    place.mkdir()
    for name, script in programs.items():
        (place / name).write_text(script)
        (place / name).chmod(0o755)
    for name in ("sh", "sed", "cat", "dirname", "sleep", "env"):  # what scripts need
        (place / name).symlink_to(f"/usr/bin/{name}" if Path(f"/usr/bin/{name}").exists() else f"/bin/{name}")
    clean = [f"-u{name}" for name in os.environ if name.startswith(("CALLBOARD_", "REDIS_", "ALERTMANAGER_"))]
    ports = [f"--port={name}=0" for name in USUAL_PORTS]
    command = ["env", *clean, f"PATH={place}", "CALLBOARD_METRICS_PORT=0", sys.executable, "-m", "demo.monitoring"]
    with Running([*command, "--data-dir", str(folder / "data"), "-p1", *ports], folder / "output") as running:
        yield running


def redis_is_gone(folder: Path) -> bool:
    port = int((folder / "data" / "redis" / "port").read_text())
    with redis.Redis(port=port) as client:
        try:
            return not client.ping()
        except redis.ConnectionError:
            return True


def test_a_program_that_is_not_installed_is_named_with_what_helps(tmp_path: Path) -> None:
    with started(tmp_path, dict.fromkeys(PROGRAMS[1:], STAYS)) as running:
        assert running.exit_code() == 1
        assert "prometheus is not installed: sudo apt-get install prometheus" in running.output


@pytest.mark.long
def test_a_program_that_ends_by_itself_ends_all_and_its_last_words_are_shown(tmp_path: Path) -> None:
    broken = "#!/bin/sh\necho 'cannot read my configuration' >&2\nexit 3\n"
    with started(tmp_path, {**dict.fromkeys(PROGRAMS, STAYS), "prometheus": broken}) as running:
        assert running.exit_code(60) == 1
        assert "error: prometheus ended (exit code 3)" in running.output
        assert "cannot read my configuration" in running.output
    assert redis_is_gone(tmp_path)


@pytest.mark.long
def test_it_can_be_ended_while_it_starts(tmp_path: Path) -> None:
    with started(tmp_path, dict.fromkeys(PROGRAMS, STAYS)) as running:
        running.wait_for("waiting for workers")
        running.send(signal.SIGTERM)
        assert running.exit_code(60) == 0, running.output
    assert redis_is_gone(tmp_path)


def test_secrets_that_cannot_stand_in_the_configuration_are_told(tmp_path: Path) -> None:
    secrets = tmp_path / "data" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "dead_man_url").write_text('https://example.org/"x')
    with started(tmp_path, dict.fromkeys(PROGRAMS, STAYS)) as running:
        assert running.exit_code() == 1
        assert "has a quote" in running.output
        assert "example.org" not in running.output.replace("dead-man", ""), "the URL is a secret"
