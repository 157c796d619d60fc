"""docs/guides/schedules.md as it is followed, and the platform's own cadence as it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from callboard import QueueService, Settings
from callboard.catalogue import default_queues
from callboard.verbs.measures import measures_call, queue_measures
from tests.integration.conftest import AppMaker
from tests.support.guides import GUIDES, environment, files, session
from tests.support.process import ROOT
from tests.support.redis_server import Server
from tests.support.wait import wait_until

PAGE = "schedules"

CADENCE = {
    "check_health": "*/5 * * * *", "report_queues": "*/10 * * * *", "clean_completed": "0 * * * *",
    "clean_failed": "0 */6 * * *",
}  # fmt: skip
CANARIES = {f"canary_{name.replace('-', '_')}": "* * * * *" for name in default_queues()}


def test_what_the_guide_shows_is_what_comes(make_app: AppMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(queues={}, only_queues=False, schedules=True)
    for name in ("listening.py", "declared.py"):
        exec(compile(files(PAGE)[name], name, "exec"), {})
    app.start()
    service = QueueService(app.settings, store=app.broker.store)
    wait_until(lambda: service.get_schedules().total == 2, 10, "the declared schedules")
    printed: list[str] = []
    monkeypatch.setattr("callboard.QueueService", lambda: QueueService(app.settings))
    exec(
        compile(session(PAGE), "session.py", "exec"),
        {"print": lambda *parts: printed.append(" ".join(str(part) for part in parts))},
    )
    assert printed == re.findall(r"(?:^# |\)  # )(.+)$", session(PAGE), re.MULTILINE)


def test_the_guide_names_the_cadence() -> None:
    page = (GUIDES / f"{PAGE}.md").read_text(encoding="utf-8")
    assert not [name for name in CADENCE if f"| `{name}` |" not in page]


@pytest.mark.parametrize("canary", [True, False])
def test_plain_dramatiq_runs_the_platforms_cadence(valkey_server: Server, canary: bool) -> None:
    """``dramatiq actors`` and nothing else."""
    prefix = f"cadence-{canary}"
    env = environment(
        REDIS_URL=valkey_server.url, CALLBOARD_PREFIX=prefix, CALLBOARD_SCHEDULES="true",
        CALLBOARD_CANARY=json.dumps(canary),
    )  # fmt: skip
    service = QueueService(Settings(redis_url=valkey_server.url, prefix=prefix))  # type: ignore[arg-type]
    dramatiq = str(Path(sys.executable).with_name("dramatiq"))
    command = [dramatiq, "actors", "--processes", "1", "--threads", "2"]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        expected = {**CADENCE, **(CANARIES if canary else {})}
        wait_until(lambda: service.get_schedules(limit=200).total == len(expected), 40, "the platform's schedules")
        found = service.get_schedules(limit=200).schedules
        assert {each.id: each.definition.cron for each in found} == expected
        assert {each.origin for each in found} == {"declared"}
        assert len(service.get_workers()[0].queues) == (len(default_queues()) if canary else 3)
        if canary:
            job = service.run_schedule_now("canary_data_export")
            wait_until(lambda: service.get_job("data-export", job).state == "completed", 20, "a canary")
            noted = queue_measures(service.store.call(*measures_call("data-export"))).canary
            assert noted is not None
            assert noted.actor == "canary_data_export"
    finally:
        process.terminate()
        process.wait(30)
        service.close()

