"""``bin/demo`` as a newcomer runs it, and with a mail server that does something wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import redis

from tests.support.process import ROOT, alive

#: What a demo may take (in seconds), installing included when pyproject.toml has just changed.
TIMEOUT_S = 110

#: Runs the demo with a mail server that keeps what it got for one recipient twice.
SABOTAGED = """
from demo.smtp import LocalSmtp

keep = LocalSmtp._keep

def keep_twice(self, mail):
    keep(self, mail)
    if "editor@example.org" in mail.recipients:
        keep(self, mail)

LocalSmtp._keep = keep_twice

from demo.command import main

main(["--once", "--json"])
"""


def run(command: list[str], folder: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a demo. ``folder`` becomes its place for temporary files."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), **(env or {})}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_it_runs_every_job_shows_each_and_leaves_nothing_running(tmp_path: Path) -> None:
    # Settings of the terminal must not matter: there is no Redis at port 1.
    done = run(
        [str(ROOT / "bin" / "demo"), "--once", "--json"], tmp_path,
        {"REDIS_URL": "redis://127.0.0.1:1/0", "CALLBOARD_PREFIX": "other", "CALLBOARD_SMTP_TLS": "tls"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {tuple(row) for row in rows} == {("queue", "actor", "job_id", "state", "attempts", "seconds", "artifacts")}
    by_id = {row["job_id"]: row for row in rows}
    assert len(by_id) == len(rows) == 23
    assert {(row["queue"], row["actor"], row["state"]) for row in rows} == {
        ("email-notifications", "send_email", "completed")
    }
    retried = {job_id: row["attempts"] for job_id, row in by_id.items() if row["attempts"] != 1}
    assert retried == {"refused-once": 2, "refused-twice": 3, "one-of-two": 2}
    assert by_id["reminder"]["seconds"] >= 6
    assert {len(row["artifacts"]) for job_id, row in by_id.items() if job_id != "one-of-two"} == {1}
    assert len(by_id["one-of-two"]["artifacts"]) == 2, "one mail an attempt"

    mail = Path(by_id["weekly-report"]["artifacts"][0])
    assert b'filename="chart.png"' in mail.read_bytes()
    folder = mail.parents[1]
    assert sorted(each.name for each in folder.iterdir()) == ["mailbox", "workers.log"], "the Redis data is gone"
    assert not list(tmp_path.iterdir()), "nothing is left among temporary files"

    workers = [int(pid) for pid in re.findall(r"\(pid (\d+)\)", (folder / "workers.log").read_text())]
    assert len(workers) == 2
    assert not [pid for pid in workers if alive(pid)]
    port = re.search(r"Valkey on port (\d+)", done.stderr)
    assert port, done.stderr
    client = redis.Redis(port=int(port[1]))
    try:
        client.ping()
    except redis.ConnectionError:
        pass
    else:
        raise AssertionError(f"Valkey still runs on port {port[1]}")


def test_a_second_copy_of_a_mail_makes_it_fail_and_say_so(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", SABOTAGED], tmp_path, {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    assert "mail 'Your post is live on Mastodon': editor@example.org got 2 copies instead of one" in said
    assert "The demo did not end as it should" in said
    assert len(done.stdout.splitlines()) == 23, "the jobs are shown all the same"
