"""``bin/demo`` as a newcomer runs it, its webhooks judged from outside; and with servers that do something wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import redis

from tests.support.node import run_node
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

#: Runs the demo with a webhook receiver that keeps one body otherwise than it came.
FORGED = """
from dataclasses import replace

from demo.webhook_receiver import WebhookReceiver

came = WebhookReceiver._came

def come_changed(self, request):
    return came(self, replace(request, body=request.body.replace(b'"rows":1503', b'"rows":1504')))

WebhookReceiver._came = come_changed

from demo.command import main

main(["--once"])
"""

#: Judges the webhooks that a demo has kept.
VERIFIER = ROOT / "tests" / "e2e" / "standardwebhooks" / "verify.mjs"

#: What the verifier changes in each request.
CHANGES = [
    "a byte more", "another value", "webhook-id", "webhook-timestamp", "webhook-signature", "no webhook-id",
    "no webhook-timestamp", "no webhook-signature",
]  # fmt: skip


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
        {"REDIS_URL": "redis://127.0.0.1:1/0", "CALLBOARD_PREFIX": "other", "CALLBOARD_SMTP_TLS": "tls",
         "CALLBOARD_WEBHOOK_TIMEOUT_S": "never"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {tuple(row) for row in rows} == {("queue", "actor", "job_id", "state", "attempts", "seconds", "artifacts")}
    by_id = {row["job_id"]: row for row in rows}
    assert len(by_id) == len(rows) == 32
    assert Counter((row["queue"], row["actor"], row["state"]) for row in rows) == {
        ("email-notifications", "send_email", "completed"): 24,
        ("webhook-delivery", "deliver_webhook", "completed"): 5,
        ("maintenance", "report_queues", "completed"): 1,
        ("maintenance", "check_health", "completed"): 1,
        ("maintenance", "clean_completed", "completed"): 1,
    }
    retried = {job_id: row["attempts"] for job_id, row in by_id.items() if row["attempts"] != 1}
    assert retried == {"refused-once": 2, "refused-twice": 3, "one-of-two": 2, "webhook-503-twice": 3}
    assert by_id["reminder"]["seconds"] >= 6
    assert by_id["webhook-503-twice"]["seconds"] >= 4, "1 s of backoff, and 3 s that were asked for"
    several = {job_id: len(row["artifacts"]) for job_id, row in by_id.items() if len(row["artifacts"]) != 1}
    assert several == {
        "one-of-two": 2, "webhook-503-twice": 3, "queue-report": 0, "health-check": 0, "clean-rehearsal": 0,
    }, "one mail or request an attempt that reached somebody"

    mail = Path(by_id["weekly-report"]["artifacts"][0])
    assert b'filename="chart.png"' in mail.read_bytes()
    folder = mail.parents[1]
    left = sorted(each.name for each in folder.iterdir())
    assert left == ["mailbox", "webhooks", "workers.log"], "the Redis data is gone"
    assert not list(tmp_path.iterdir()), "nothing is left among temporary files"

    workers = [int(pid) for pid in re.findall(r"\(pid (\d+)\)", (folder / "workers.log").read_text())]
    assert len(workers) == 2
    assert not [pid for pid in workers if alive(pid)]
    port = re.search(r"ports: Valkey (\d+)", done.stderr)
    assert port, done.stderr
    client = redis.Redis(port=int(port[1]))
    try:
        client.ping()
    except redis.ConnectionError:
        pass
    else:
        raise AssertionError(f"Valkey still runs on port {port[1]}")

    kept = [path for row in rows for path in row["artifacts"] if row["queue"] == "webhook-delivery"]
    judge(folder / "webhooks", [Path(path).name for path in kept])


def judge(webhooks: Path, files: list[str]) -> None:
    """Every request verifies by the secrets of its endpoint and by no other, and no changed copy of it does."""
    verdicts = [json.loads(line) for line in run_node(VERIFIER, str(webhooks)).splitlines()]
    assert {each["file"] for each in verdicts} == set(files), "every request is an artifact of a job"
    for each in verdicts:
        assert each["verifies"] == (each["path"] == each["of"]), each
        assert (each["tried"], each["fooled"]) == (CHANGES, []), each
    right = Counter(each["path"] for each in verdicts if each["verifies"])
    assert right == {"/crm": 2, "/archive": 1, "/exports": 3, "/accounts": 2}, "the last by its old and its new secret"


@pytest.mark.long
def test_a_second_copy_of_a_mail_makes_it_fail_and_say_so(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", SABOTAGED], tmp_path, {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    assert "mail 'Your post is live on Mastodon': editor@example.org got 2 copies instead of one" in said
    assert "The demo did not end as it should" in said
    assert len(done.stdout.splitlines()) == 32, "the jobs are shown all the same"


@pytest.mark.long
def test_a_webhook_that_is_kept_otherwise_than_it_came_makes_it_fail_and_say_so(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", FORGED], tmp_path, {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stdout.split())
    assert "✗ 5 webhooks arrived in 7 requests" in said
    assert "webhook-503-twice: its signature is not right by a secret of /exports" in said
    assert "webhook-503-twice: its body is not what was sent" in said
    assert "The demo did not end as it should" in said
