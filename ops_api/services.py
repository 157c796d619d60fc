"""What requests stand on: settings, and the connections to Redis, opened by each process for itself."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from callboard.settings import Settings
from callboard.store.store import Store, open_store
from middleware.metrics.asking import ask
from middleware.metrics.queues import QueueCollector
from ops_api.settings import OpsSettings

_NAME = "callboard"


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a process has opened. ``pid``: the process."""

    pid: int
    store: Store
    registry: CollectorRegistry


class Services:
    """The services of one application. Nothing is opened before the first request that needs it, so that a server may
    make the application before it forks."""

    def __init__(self, settings: Settings, ops: OpsSettings) -> None:
        self.settings = settings
        self.ops = ops
        #: The tokens of machines, as they were when the process started.
        self.scraping: SecretStr | None = ops.scraping
        self.alerting: SecretStr | None = ops.alerting
        self._lock = threading.Lock()
        self._opened: _Opened | None = None

    @property
    def store(self) -> Store:
        """Redis, for all threads of this process."""
        return self._open().store

    @property
    def registry(self) -> CollectorRegistry:
        """What ``/metrics`` exposes."""
        return self._open().registry

    def look(self, call: tuple[str, str, Any]) -> Any:
        """The reply of a verb that changes nothing; asked again when the connection had been closed meanwhile.

        Raises: StoreUnavailable.
        """
        reply = ask(self.store, [call])[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def close(self) -> None:
        """Close this process' connections."""
        with self._lock:
            if self._opened is not None and self._opened.pid == os.getpid():
                self._opened.store.close()
            self._opened = None

    def _open(self) -> _Opened:
        with self._lock:
            if self._opened is None or self._opened.pid != os.getpid():
                store, registry = open_store(self.settings), CollectorRegistry()
                registry.register(QueueCollector(store, "ops_api"))
                self._opened = _Opened(os.getpid(), store, registry)
            return self._opened


def install(app: Flask, services: Services) -> None:
    """Give ``app`` its services."""
    app.extensions[_NAME] = services


def services() -> Services:
    """The services of the application that answers the present request."""
    found: Services = current_app.extensions[_NAME]
    return found
