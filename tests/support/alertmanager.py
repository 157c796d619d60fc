"""A real Alertmanager with the configuration of this source tree, on a free port of 127.0.0.1."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from callboard.cli.tree import tethered
from monitoring.files import FILES
from monitoring.site import Site
from tests.support.process import ROOT
from tests.support.redis_server import free_port
from tests.support.wait import wait_until

#: How long it may take to start (in seconds).
START_S = 20.0


def alertmanager_binary() -> str:
    """Alertmanager in the PATH; Debian calls it otherwise than everybody else.

    Raises: AssertionError saying how to get it.
    """
    found = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    assert found, "Alertmanager is missing: sudo apt-get install prometheus-alertmanager"
    return found


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``amtool ARGUMENTS``, which comes with Alertmanager."""
    return subprocess.run(["amtool", *arguments], capture_output=True, text=True, check=False, timeout=30)


def write_configuration(folder: Path, site: Site) -> Path:
    """Write what ``callboard generate`` writes for Alertmanager, and the script beside it, below ``folder``.

    Returns: the folder with ``alertmanager.yml``, ``templates/`` and ``render``.
    """
    for name, make in FILES.items():
        if name.startswith("deploy/alertmanager/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(make(site), encoding="utf-8")
    there = folder / "deploy/alertmanager"
    shutil.copy(ROOT / "deploy/alertmanager/render", there)
    return there


def render(there: Path, secrets: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the script that puts in what differs from place to place."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ALERTMANAGER_")}
    return subprocess.run(
        [str(there / "render")], capture_output=True, text=True, check=False, timeout=30,
        env={**clean, "ALERTMANAGER_SECRETS": str(secrets), **environment},
    )  # fmt: skip


class LocalAlertmanager:
    """One Alertmanager. It ends with the test process, even when that is killed."""

    def __init__(
        self,
        folder: Path,
        *,
        secrets: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        site: Site | None = None,
        rendered: bool = True,
    ) -> None:
        """Write its configuration; nothing runs before :meth:`start`.

        Args:
          folder: for its configuration, data and log.
          secrets: file -> content of its folder of secrets.
          environment: for deploy/alertmanager/render.
          site: what it is generated for; by default minutes last a tenth of a second.
          rendered: False: it gets the generated file as it is.
        """
        self.port = free_port()
        self.log = folder / "alertmanager.log"
        self._folder = folder
        there = write_configuration(folder, site or Site(time_scale=1 / 600))
        kept = folder / "secrets"
        kept.mkdir(parents=True, exist_ok=True)
        for name, value in (secrets or {}).items():
            (kept / name).write_text(value + "\n", encoding="utf-8")
        self.config = there / "alertmanager.yml"
        #: What the script said on standard error.
        self.told = ""
        if rendered:
            done = render(there, kept, environment or {})
            assert done.returncode == 0, done.stderr
            self.config = folder / "rendered.yml"
            self.config.write_text(done.stdout, encoding="utf-8")
            self.told = done.stderr
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it and wait until it is ready."""
        command = [
            alertmanager_binary(), f"--config.file={self.config}", f"--storage.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}", f"--web.external-url={self.url}",
            "--cluster.listen-address=", "--log.level=debug",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                tethered(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self._ready, START_S, lambda: f"Alertmanager to be ready; its log:\n{self.last_words()}")
        return self

    def _ready(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"Alertmanager ended with {code}; its log:\n{self.last_words()}"
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(START_S)

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:]) if self.log.exists() else "(no log)"

    def post(self, *alerts: Mapping[str, Any]) -> None:
        """Hand it alerts, as Prometheus does."""
        body = json.dumps(list(alerts)).encode()
        asked = urllib.request.Request(
            f"{self.url}/api/v2/alerts", body, {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:
            assert answer.status == 200

    def alerts(self, *matchers: str) -> list[dict[str, Any]]:
        """The alerts that it holds, as ``GET /api/v2/alerts`` shows them."""
        query = urlencode([("filter", each) for each in matchers])
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts?{query}", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def silences(self) -> list[dict[str, Any]]:
        """Its silences, as ``GET /api/v2/silences`` shows them."""
        with urllib.request.urlopen(f"{self.url}/api/v2/silences", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found


def alert(name: str, severity: str, *, resolved: bool = False, **labels: str) -> dict[str, Any]:
    """One alert as Prometheus hands it over, with links as our rules have them.

    It began five minutes ago. ``resolved``: it has just ended; otherwise it fires for ten minutes more.
    """
    now = datetime.now(UTC)
    queue = labels.get("queue", "")
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {
            "summary": f"{queue or 'Callboard'}: {name} & more than <5>",
            "description": f"What {name} says at length.",
            "runbook_url": f"http://127.0.0.1:8080/runbooks/queues#{name.lower()}",
            "dashboard_url": f"http://127.0.0.1:3000/d/callboard-queue?var-queue={queue}",
        },
        "startsAt": (now - timedelta(minutes=5)).isoformat(),
        "endsAt": (now if resolved else now + timedelta(minutes=10)).isoformat(),
        "generatorURL": "http://127.0.0.1:9090/graph",
    }


def names(alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of alerts, sorted."""
    return sorted(each["labels"]["alertname"] for each in alerts)
