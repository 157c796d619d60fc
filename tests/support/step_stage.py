"""Where the tests of steps play: two worker processes that die where they are told to, and the job types' peers."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import actors
from callboard import QueueService
from callboard.records import JobView
from callboard.steps import Step
from demo.smtp import LocalSmtp
from demo.webhook_receiver import WebhookReceiver
from tests.support.app import ENDED
from tests.support.deployment import Deployment
from tests.support.ledger import Ledger, Line
from tests.support.process import alive
from tests.support.wait import wait_until
from tests.support.workers import WorkerTree

APP = "tests.support.step_app"

#: How long a job may take until it comes to its step, and from the kill to its end (seconds), on a busy machine.
REACHED_S, ENDED_S = 40.0, 40.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """How to bring a job to some steps, and what must hold after it was killed at one of them and ran again.

    ``add`` prepares what a job needs and adds it to ``queue`` under an id. ``verdict`` looks at what came of it once it
    has completed, and raises AssertionError.
    """

    steps: tuple[Step, ...]
    queue: str
    add: Callable[[Stage, str], None]
    verdict: Callable[[Stage, Step, JobView], None]


class Stage:
    """A deployment of the platform's application with short leases, its workers, a mail server, a webhook receiver."""

    def __init__(self, url: str, folder: Path) -> None:
        """``url`` is Redis'; ``folder`` gets the ledger and what the workers print."""
        self._folder = folder
        self._kill_at = folder / "kill-at"
        self._kill_at.write_text("", encoding="ascii")
        self.ledger = Ledger(folder / "ledger")
        self.deployment = Deployment(url, self.ledger, options={
            "prefix": "steps", "only_queues": False, "sweep_ms": 200, "canary": False, "schedules": False,
            "queues": {
                name: {"lease_ms": 2_000, "backoff_base_ms": 50, "backoff_cap_ms": 200}
                for name in ("email-notifications", "webhook-delivery", "maintenance")
            },
        })  # fmt: skip
        self.service: QueueService = self.deployment.service()
        self.smtp = LocalSmtp()
        self.receiver = WebhookReceiver()
        self._stack = ExitStack()
        self._trees: list[WorkerTree] = []
        self._started = 0

    def __enter__(self) -> Self:
        self._stack.callback(self.service.close)
        self._stack.enter_context(self.smtp)
        self._stack.enter_context(self.receiver)
        self.keep_workers()
        for tree in self._trees:
            tree.ready()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for tree in self._trees:
            tree.end()
        self._stack.close()

    @property
    def webhooks_allowed(self) -> str:
        """What workers need to be told (``CALLBOARD_WEBHOOK_ALLOW``) to deliver to the receiver."""
        return f"{self.receiver.host}/32:{self.receiver.port}"

    @property
    def alert_target(self) -> str:
        """The URL at which the receiver is told of alerts."""
        return f"json://{self.receiver.host}:{self.receiver.port}/alerts"

    def keep_workers(self) -> None:
        """Start a worker for each that has ended."""
        running = []
        for tree in self._trees:
            if tree.running():
                running.append(tree)
            else:
                tree.end()  # what a leader leaves behind
        while len(running) < 2:
            self._started += 1
            running.append(WorkerTree(
                self.deployment, self._folder / f"worker-{self._started}.log", threads=2, env=self._env(), app=APP,
            ))  # fmt: skip
        self._trees = running

    def _env(self) -> dict[str, str]:
        return {
            "STEP_KILL_AT": str(self._kill_at),
            "CALLBOARD_SMTP_HOST": self.smtp.host,
            "CALLBOARD_SMTP_PORT": str(self.smtp.port),
            "CALLBOARD_SMTP_TLS": "none",
            "CALLBOARD_SMTP_SENDER": "steps@example.org",
            "CALLBOARD_SMTP_HELO_NAME": "steps.example.org",
            "CALLBOARD_WEBHOOK_ALLOW": self.webhooks_allowed,
            "CALLBOARD_ALERTS_TARGETS": json.dumps({"steps": self.alert_target}),
        }

    def kill_at(self, step: Step) -> None:
        """Kill the first process that comes to ``step`` from now on."""
        self._kill_at.write_text(name_of(step), encoding="ascii")

    def killed(self, step: Step, queue: str, job_id: str) -> Line:
        """Wait until a process was killed at ``step``. Returns: the ledger's line of it."""

        def look() -> Line | None:
            for line in self.ledger.lines("killed"):
                if line.id == name_of(step) and not alive(line.pid):
                    return line
            job = self.job(queue, job_id)
            assert job.state not in ENDED, (
                f"{name_of(step)} was never reached: the job {job.state} without it ({job.reason or 'no error'})"
            )
            return None

        line = wait_until(
            look, REACHED_S, lambda: f"a process killed at {name_of(step)}\n{self.situation(queue, job_id)}"
        )
        assert line is not None
        return line

    def ended(self, queue: str, job_id: str) -> JobView:
        """Wait until the job has ended."""

        def look() -> JobView | None:
            self.keep_workers()
            job = self.job(queue, job_id)
            return job if job.state in ENDED else None

        job = wait_until(look, ENDED_S, lambda: f"the job to end after the kill\n{self.situation(queue, job_id)}")
        assert job is not None
        return job

    def job(self, queue: str, job_id: str) -> JobView:
        """The job as it is."""
        return self.service.get_job(queue, job_id)

    def situation(self, queue: str, job_id: str) -> str:
        """How the job is, and what the workers printed last."""
        printed = "".join(tree.output[-3000:] for tree in self._trees)
        return f"{self.job(queue, job_id)}\nthe workers printed:\n{printed}"


def name_of(step: Step) -> str:
    """How a step is named: ``EmailStep.NOTED``."""
    return f"{type(step).__name__}.{step.name}"


def all_steps() -> list[Step]:
    """Every member of every enumeration of steps in the package ``actors``."""
    for module in pkgutil.walk_packages(actors.__path__, "actors."):
        importlib.import_module(module.name)
    return [step for kind in sorted(_kinds(Step), key=lambda kind: kind.__name__) for step in kind]


def _kinds(base: type[Step]) -> Iterator[type[Step]]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith("actors."):
            yield kind
        yield from _kinds(kind)
