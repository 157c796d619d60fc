"""The application that fault tests run ``dramatiq`` on: actors that write what they do to a ledger.

With ``FAULT_LEDGER`` set the module is an app for the CLI; tests in one process call :func:`build`.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage

from callboard import CallboardBroker
from callboard.settings import Settings
from middleware.stack import default_stack
from tests.support.announce import Announce
from tests.support.ledger import Ledger
from tests.support.wait import wait_until

#: What the hoarding actor keeps.
hoarded: list[bytes] = []


class Flaky(Exception):
    """What the flaky actor raises."""


def build(settings: Settings, ledger: Ledger) -> CallboardBroker:  # noqa: C901  # a list of actors, not a branch
    """A broker with the platform's middleware and the actors of the fault tests."""
    broker = CallboardBroker(settings, middleware=[*default_stack(settings), Announce(ledger)])
    options: dict[str, Any] = {"broker": broker, "queue_name": "work"}

    def noted(kind: str) -> None:
        job: Any = CurrentMessage.get_current_message()
        ledger.note(kind, job.message_id, job.attempt)

    def stays(do: Callable[[], None]) -> None:
        noted("start")
        do()
        noted("end")

    @dramatiq.actor(**options)
    def work(ms: int = 0) -> None:
        """Takes ``ms``."""
        stays(lambda: Event().wait(ms / 1000) and None)

    @dramatiq.actor(**options)
    def steps(ms: int = 0) -> None:
        """Takes ``ms`` in small steps, so that it can be interrupted."""

        def do() -> None:
            for _ in range(max(1, ms // 5)):
                Event().wait(0.005)

        stays(do)

    @dramatiq.actor(**options)
    def poison() -> None:
        """Kills its process."""
        stays(lambda: os.kill(os.getpid(), signal.SIGKILL))

    @dramatiq.actor(**options)
    def segfault() -> None:
        """Reads address 0."""
        stays(lambda: ctypes.string_at(0) and None)

    @dramatiq.actor(**options)
    def hold_gil() -> None:
        """Stays in native code for an hour with the GIL held."""
        stays(lambda: ctypes.PyDLL(None).sleep(3600))

    @dramatiq.actor(**options)
    def flaky(failures: int) -> None:
        """Fails so many times."""
        noted("start")
        job: Any = CurrentMessage.get_current_message()
        if job.attempt <= failures:
            raise Flaky(f"attempt {job.attempt}")
        noted("end")

    @dramatiq.actor(**options)
    def gated(gate: str, fail: bool = False) -> str:
        """Its first start stays until the file ``gate`` is there; later ones end at once."""
        noted("start")
        job: Any = CurrentMessage.get_current_message()
        if len(ledger.starts()[job.message_id]) == 1:
            wait_until(Path(gate).exists, 60, "the gate")
        noted("end")
        if fail:
            raise Flaky("as asked")
        return "done"

    @dramatiq.actor(**options)
    def hoard(mib: int) -> None:
        """Takes memory and keeps it."""
        stays(lambda: hoarded.append(b"x" * (mib << 20)))

    @dramatiq.actor(queue_name="next", broker=broker)
    def link(*args: Any, **kwargs: Any) -> None:
        """The next link of a chain, in another queue."""
        stays(lambda: None)

    return broker


if "FAULT_LEDGER" in os.environ:
    dramatiq.set_broker(build(Settings(), Ledger(Path(os.environ["FAULT_LEDGER"]))))
