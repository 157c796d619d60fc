"""The servers and workers of the demo: an embedded Valkey, worker processes, receivers of emails and webhooks."""

from __future__ import annotations

import fcntl
import os
import shutil
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from callboard import QueueService, Settings
from callboard.cli.embedded import EmbeddedServer
from callboard.cli.supervisor import Supervisor
from callboard.cli.tree import TreeOptions
from callboard.cli.up import System
from callboard.errors import StoreUnavailable
from demo.emails import SENDER
from demo.smtp import LocalSmtp
from demo.webhook_receiver import WebhookReceiver

PROCESSES, THREADS = 2, 2
#: How long the mail server thinks over each message (in seconds): an eye can follow, and a backlog can form.
THINK_S = 0.6
#: How long running jobs may take to finish when it ends (in seconds).
GRACE_S = 10.0

_ROOT = Path(__file__).resolve().parents[1]


class StageFailed(Exception):
    """A server or the workers could not be started, or did not stay up."""


class Stage:
    """Everything that runs. Enter it from the main thread, and call ``tick`` until ``finished`` after ``stop``."""

    def __init__(self, folder: Path) -> None:
        """Claim ``folder`` for everything that it writes: Redis' data, what is received, the workers' log."""
        self.folder = folder
        self.mailbox = folder / "mailbox"
        self.log = folder / "workers.log"
        self.mailbox.mkdir()
        self.webhooks = folder / "webhooks"
        self.webhooks.mkdir()
        self.smtp = LocalSmtp(folder=self.mailbox, think_s=THINK_S)
        self.receiver = WebhookReceiver(folder=self.webhooks)
        self.server = EmbeddedServer(folder / "redis")
        self._log_file = self.log.open("ab", buffering=0)
        options = TreeOptions("actors", THREADS, (), GRACE_S, self._log_file.fileno())
        self._system = System(self.server, Supervisor(options, PROCESSES, self._note), say=self._note)
        self._stopping = False
        self.service = QueueService(Settings(redis_url=self.server.url))

    def __enter__(self) -> Self:
        self.smtp.start()
        self.receiver.start()
        _set_environment(self.server.url, self.smtp, self.receiver)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.service.close()
        self.smtp.stop()
        self.receiver.stop()
        self._log_file.close()

    @property
    def finished(self) -> bool:
        """Whether nothing runs any more."""
        return self._system.finished

    @property
    def ended_well(self) -> bool:
        """Whether nothing had to be killed."""
        return self._system.exit_code == 0

    def tick(self) -> None:
        """Do what is due.

        Raises: StageFailed when the system gave up.
        """
        self._system.tick()
        if self._system.finished and not self._stopping:
            raise StageFailed("Valkey or the workers did not stay up")

    def ready(self) -> bool:
        """Whether every worker process has announced itself."""
        try:
            return self.server.running and len(self.service.get_workers()) == PROCESSES
        except StoreUnavailable:
            return False

    def stop(self) -> None:
        """Let running jobs finish and end; the second call does not wait."""
        self._stopping = True
        self._system.stop()

    def _note(self, line: str) -> None:
        self._log_file.write(f"demo: {line}\n".encode())


def claim_folder() -> Path:
    """An empty folder under the project's ``.cache``: the first that no running demo holds.

    What the last run left there is deleted, so that one can look at it until the next one, and no longer.
    """
    base = _ROOT / ".cache" / "demo"
    for number in count(1):
        folder = base / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(base / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)  # held until this process ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)
        return folder
    raise AssertionError("count() ended")


def clear_environment() -> None:
    """Forget settings of the terminal that the demo is started from: it must touch nobody's queues."""
    for name in list(os.environ):
        if name.startswith("CALLBOARD_") or name in {"REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"}:
            del os.environ[name]


def _set_environment(url: str, smtp: LocalSmtp, receiver: WebhookReceiver) -> None:
    """What the workers and commands inherit."""
    os.environ |= {
        "REDIS_URL": url,
        "CALLBOARD_SMTP_HOST": smtp.host,
        "CALLBOARD_SMTP_PORT": str(smtp.port),
        "CALLBOARD_SMTP_TLS": "none",
        "CALLBOARD_SMTP_SENDER": SENDER,
        # Nobody may send webhooks to an address of this machine, but for this one.
        "CALLBOARD_WEBHOOK_ALLOW": f"{receiver.host}/32:{receiver.port}",
        "CALLBOARD_SMTP_HELO_NAME": "localhost",  # looking up this host's own name can take seconds
        "CALLBOARD_CANARY": "false",  # jobs are counted a queue
    }
