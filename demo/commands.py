"""``python -m actors.webhooks``, called as an operator calls it: endpoints are registered and an event is published.

The demo goes on while a command runs, so that several may run at once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from demo.webhooks import FANNED, FANNED_DATA, FANNED_ID, WORKSPACE, Hook, Registered

_ROOT = Path(__file__).resolve().parents[1]


class CommandFailed(Exception):
    """A command did not do what it should."""


class Command:
    """One run of the command. What it prints is small, so that it never waits for its reader."""

    def __init__(self, *arguments: str) -> None:
        """Start it. It inherits the environment, which says where Redis is."""
        self._name = " ".join(arguments[:2])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "actors.webhooks", *arguments, "--json"],
            cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @property
    def ended(self) -> bool:
        """Whether it runs no more."""
        return self._process.poll() is not None

    def answer(self) -> Any:
        """What it printed, waiting for its end. Raises: CommandFailed with what it said."""
        out, err = self._process.communicate()
        if self._process.returncode:
            raise CommandFailed(f"{self._name}: {err.strip() or f'exit code {self._process.returncode}'}")
        return json.loads(out)

    def stop(self) -> None:
        """End it if it still runs, and forget what it would have said."""
        self._process.kill()
        self._process.communicate()


class Registration:
    """Endpoints on their way into the registry: all are created at once, then the secrets of some are replaced."""

    def __init__(self, hooks: Sequence[Hook], url: Callable[[str], str]) -> None:
        """Start it. ``url`` makes an endpoint's URL from its path."""
        self._hooks = tuple(hooks)
        self._creating = {hook: _create(hook, url(hook.path)) for hook in hooks}
        self._rotating: dict[Hook, Command] = {}
        self._registered: dict[Hook, Registered] = {}

    def advance(self) -> bool:
        """Do what is due. Returns: whether all is done.

        Raises: CommandFailed.
        """
        for hook in [hook for hook, command in self._creating.items() if command.ended]:
            made = self._creating.pop(hook).answer()
            self._registered[hook] = Registered(hook, made["id"], (made["secret"],))
            if hook.rotated:
                self._rotating[hook] = Command("endpoints", "rotate-secret", made["id"])
        for hook in [hook for hook, command in self._rotating.items() if command.ended]:
            made = self._rotating.pop(hook).answer()
            before = self._registered[hook]
            self._registered[hook] = Registered(hook, before.id, (made["secret"], *before.secrets))
        return not self._creating and not self._rotating

    @property
    def endpoints(self) -> list[Registered]:
        """The endpoints with their secrets, once all is done."""
        return [self._registered[hook] for hook in self._hooks]

    def stop(self) -> None:
        """End what still runs."""
        for command in (*self._creating.values(), *self._rotating.values()):
            command.stop()


def publish() -> Command:
    """Publish the event that goes to everybody who wants it."""
    return Command(
        "publish", FANNED, "--workspace", WORKSPACE, "--event-id", FANNED_ID, "--data", json.dumps(FANNED_DATA)
    )


def _create(hook: Hook, url: str) -> Command:
    events = [part for event in hook.events for part in ("--event", event)]
    return Command("endpoints", "create", url, "--workspace", WORKSPACE, *events)
