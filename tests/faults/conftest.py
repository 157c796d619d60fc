"""A server that keeps what it acknowledged, a deployment on it, and a seed."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import dramatiq
import pytest
from dramatiq.asyncio import get_event_loop_thread, set_event_loop_thread

from callboard import CallboardBroker
from tests.support.deployment import Deployment
from tests.support.fault_app import build
from tests.support.ledger import Ledger
from tests.support.proxy import Proxy
from tests.support.redis_server import Server, valkey_binary

#: Starts a worker in this process that reaches Redis at a URL.
StartWorker = Callable[..., CallboardBroker]


@pytest.fixture
def rng() -> random.Random:
    """Chance, with its seed printed; ``FAULT_SEED`` repeats a run."""
    seed = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(10**6))
    print(f"FAULT_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Valkey that flushes each write to disk before it answers."""
    with Server(valkey_binary(), tmp_path / "redis", appendonly="yes", appendfsync="always") as server:
        yield server


@pytest.fixture
def deployment(server: Server, tmp_path: Path) -> Deployment:
    """Two queues, ``work`` and ``next``, with leases of two seconds."""
    return Deployment(server.url, Ledger(tmp_path / "ledger"))


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A proxy in front of the server."""
    with Proxy(server.url) as proxy:
        yield proxy


@pytest.fixture
def start_worker() -> Iterator[StartWorker]:
    """Start workers of a deployment in this process; all are stopped at the end."""
    with ExitStack() as stack:

        def start(
            deployment: Deployment, url: str | None = None, threads: int = 4, **changes: object
        ) -> CallboardBroker:
            broker = build(deployment.settings(url, **changes), deployment.ledger)
            worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=50)
            worker.start()
            stack.callback(broker.close)
            stack.callback(worker.stop, timeout=5_000)
            # Dramatiq keeps one event loop thread a process, in a global that the next worker overwrites; each worker
            # must find its own again when it stops, or the thread outlives the tests.
            stack.callback(set_event_loop_thread, get_event_loop_thread())
            return broker

        yield start
