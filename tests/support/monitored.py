"""``bin/monitoring`` in a test: started with local receivers of alerts, asked over HTTP as a person asks, ended."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from callboard import QueueService
from callboard.settings import Settings
from demo.monitoring.places import USUAL_PORTS
from tests.support.process import ROOT, Running, alive
from tests.support.receivers import AlertReceivers
from tests.support.wait import wait_until

T = TypeVar("T")

#: Minutes are three seconds: a scrape takes place each 0.75 s.
TIME_SCALE = 0.05
#: Four scrapes, for ``$__rate_interval``.
RATE_INTERVAL = "3s"
#: Worker processes, and threads of each.
PROCESSES, THREADS = 2, 8
#: How long the set may take to be ready, and to end (seconds).
START_S, END_S = 120.0, 60.0

#: The queues of the actors in ``monitored_app``, each for one thing that happens.
PAUSED, FILLED, FAILING, ABANDONED, MIXED = (
    "post-publishing", "data-export", "social-listening", "report-generation", "analytics-collection",
)  # fmt: skip

#: FAILING fails always, and may: else its critical alert on the error budget would mute the warning that is looked for.
#: FILLED may wait for long, so that a warning alone is there; its threads leave some for the others. What ran on
#: ABANDONED comes back soon.
QUEUES: dict[str, dict[str, Any]] = {
    FAILING: {"slo_success": 0.01}, FILLED: {"wait_target_ms": 3_600_000, "max_per_process": 2},
    ABANDONED: {"max_per_process": 2, "max_stalls": 10, "lease_ms": 5_000},
}  # fmt: skip

#: Where the target of ``POST /api/alerts`` gets what jobs send on, in apprise's JSON.
FORWARDED = "/forwarded"

#: Settings of the terminal that must not matter.
_OURS = ("CALLBOARD_", "REDIS_", "ALERTMANAGER_")


@dataclass
class Monitored:
    """The running set. ``at``: what ``bin/monitoring --json`` told."""

    running: Running
    receivers: AlertReceivers
    at: dict[str, Any]
    service: QueueService

    def query(self, expr: str) -> list[dict[str, Any]]:
        """What Prometheus answers to an expression now."""
        return list(self._asked("/api/v1/query", query=expr)["result"])

    def history(self, expr: str) -> list[dict[str, Any]]:
        """What it answers over the last ten minutes, as a board asks for its marks."""
        now = time.time()
        return list(self._asked("/api/v1/query_range", query=expr, start=now - 600, end=now, step=1)["result"])

    def values(self, expr: str) -> list[float]:
        """The values of its answer."""
        return [float(each["value"][1]) for each in self.query(expr)]

    def targets(self) -> list[dict[str, Any]]:
        """What Prometheus scrapes."""
        return list(self._asked("/api/v1/targets", state="active")["activeTargets"])

    def rules(self) -> list[dict[str, Any]]:
        """Its rules, alerting and recording."""
        groups = self._asked("/api/v1/rules")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def names(self) -> set[str]:
        """The names of all series that it has."""
        return set(self._asked("/api/v1/label/__name__/values"))

    def firing(self, alert: str, **labels: str) -> list[dict[str, Any]]:
        """The alerts of this name and these labels that fire in Prometheus."""
        wanted = {"alertname": alert, **labels}
        alerts = self._asked("/api/v1/alerts")["alerts"]
        return [each for each in alerts if each["state"] == "firing" and wanted.items() <= each["labels"].items()]

    def delivered(self) -> list[dict[str, Any]]:
        """The alerts that Alertmanager has, with how they are."""
        found: list[dict[str, Any]] = json.loads(self.get(f"{self.at['alertmanager']}/api/v2/alerts"))
        return found

    def get(self, url: str) -> str:
        """A page, which must be there."""
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())

    def wait(self, look: Callable[[], T], timeout_s: float, what: str) -> T:
        """Wait for something; when it does not come, everything that can be seen is shown."""
        return wait_until(look, timeout_s, lambda: f"{what}\n{self.seen()}")

    def seen(self) -> str:
        """What there is to see: alerts, targets, messages, logs."""
        lines = ["--- alerts in Prometheus"]
        lines += [f"{each['state']} {each['labels']}" for each in self._asked("/api/v1/alerts")["alerts"]]
        lines += ["--- alerts in Alertmanager"]
        lines += [f"{each['labels']} {each['status']}" for each in self.delivered()]
        lines += ["--- targets"]
        lines += [f"{each['labels']} {each['health']} {each['lastError']}" for each in self.targets()]
        lines += ["--- Slack", *(each["title"] for each in self.receivers.slack())]
        lines += ["--- queues", *(str(each) for each in self.service.get_all_queue_stats())]
        for log in sorted((Path(self.at["data_dir"]) / "logs").iterdir()):
            lines += [f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-10:]]
        return "\n".join(lines)

    def _asked(self, path: str, **parameters: object) -> Any:
        answer = json.loads(self.get(f"{self.at['prometheus']}{path}?{urlencode(parameters)}"))
        assert answer["status"] == "success", answer
        return answer["data"]

    @contextmanager
    def without_workers(self) -> Iterator[None]:
        """SIGKILL to every worker process; the supervisor, stopped, starts none before the end of the block."""
        supervisor = self.at["pids"]["workers"]
        workers = [worker.pid for worker in self.service.get_workers() if alive(worker.pid)]
        assert len(workers) == PROCESSES
        os.kill(supervisor, signal.SIGSTOP)
        try:
            for pid in workers:
                os.killpg(os.getpgid(pid), signal.SIGKILL)
            self.wait(lambda: not any(alive(pid) for pid in workers), 10, "the end of the workers that were killed")
            yield
        finally:
            os.kill(supervisor, signal.SIGCONT)


@contextmanager
def monitored(folder: Path) -> Iterator[Monitored]:
    """The set on free ports, with data below ``folder``; it must end in order.

    ``bin/monitoring`` gets no setting of the terminal that the test is started from.
    """
    data = folder / "data"
    with AlertReceivers() as receivers:
        secrets = data / "secrets"
        secrets.mkdir(parents=True)
        for name, text in receivers.secrets().items():
            if name != "callboard_token":  # it makes one itself, for its own ops API
                (secrets / name).write_text(text)
        environment = {name: v for name, v in receivers.environment().items() if name != "ALERTMANAGER_CALLBOARD_URL"}
        target = {"everything": f"json://127.0.0.1:{receivers.http.port}{FORWARDED}"}
        environment |= {
            "CALLBOARD_QUEUES": json.dumps(QUEUES), "CALLBOARD_METRICS_PORT": "0",
            "CALLBOARD_ALERTS_TARGETS": json.dumps(target),
        }  # fmt: skip
        clean = [f"-u{name}" for name in os.environ if name.startswith(_OURS)]
        command = ["env", *clean, *(f"{name}={value}" for name, value in environment.items())]
        command += [str(ROOT / "bin" / "monitoring"), "--data-dir", str(data), "--app", "tests.support.monitored_app"]
        command += ["--processes", str(PROCESSES), "--threads", str(THREADS), "--time-scale", str(TIME_SCALE), "--json"]
        command += [f"--port={name}=0" for name in USUAL_PORTS]
        with Running(command, folder / "monitoring.log") as running:
            running.wait_for('"pids"', START_S)
            at = json.loads(next(line for line in running.output.splitlines() if line.startswith("{")))
            service = QueueService(Settings(redis_url=f"redis://{at['redis']}", queues=QUEUES))
            yield Monitored(running, receivers, at, service)
            service.close()
            pids = list(at["pids"].values())
            running.send(signal.SIGTERM)
            code = running.exit_code(END_S)
            assert code == 0, running.output
            assert not [pid for pid in pids if alive(pid)], "a program outlives the set"
