"""The port that a worker process is scraped on: ``GET /metrics``, and nothing else.

Two threads serve it, whoever connects, and neither waits for a client for long: who holds connections open keeps others
from their scrapes for a while, and takes nothing from the jobs.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import SimpleQueue
from socketserver import TCPServer
from time import monotonic
from typing import Any

from prometheus_client.registry import Collector

from middleware.metrics.formats import format_for

logger = logging.getLogger("callboard.metrics")

#: Ports that are tried, from the first on.
PORTS = 100

#: Threads that answer. Each keeps a connection of its own to Redis, where the state of queues is served from here.
_THREADS = 2

#: Connections that wait for one of them; more are closed at once.
_WAITING = 32

#: How long a client may take to ask and to take its answer, and how long it may be silent meanwhile (seconds).
_REQUEST_S, _SILENT_S = 10.0, 2.0

#: How often is looked for one that takes longer (seconds).
_LOOK_S = 0.5

_TEXT = "text/plain; charset=utf-8"

_EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104 - compared with, not bound


class MetricsServer(HTTPServer):
    """Serves ``registry``. It listens from its making on; :meth:`start` answers.

    Raises: OSError when the address cannot be had.
    """

    #: Connections that the kernel keeps until they are accepted.
    request_queue_size = _WAITING

    def __init__(self, host: str, port: int, registry: Collector) -> None:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, *_, address = found[0]
        self.registry = registry
        self._waiting: SimpleQueue[tuple[Any, Any] | None] = SimpleQueue()
        #: Connections that are being answered -> since when (monotonic seconds).
        self._open: dict[socket.socket, float] = {}
        self._stopping = False
        self._ours: list[threading.Thread] = []
        super().__init__((str(address[0]), port), _Handler)

    @property
    def port(self) -> int:
        """The port that it got."""
        return int(self.socket.getsockname()[1])

    def start(self) -> None:
        """Begin to answer."""
        targets: list[Callable[[], None]] = [self._answer] * _THREADS
        targets.append(lambda: self.serve_forever(_LOOK_S))
        for target in targets:
            thread = threading.Thread(target=target, name="callboard-metrics", daemon=True)
            self._ours.append(thread)
            thread.start()

    def stop(self) -> None:
        """Answer no more, and free the port."""
        self._stopping = True
        _hang_up(self.socket)  # wakes the thread that accepts: it looks up but every half second
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            _hang_up(connection)
        for _ in range(_THREADS):
            self._waiting.put(None)
        for thread in self._ours:
            thread.join(_SILENT_S)

    def server_bind(self) -> None:
        """Without http.server's look for the host's full name, which may ask a DNS server that does not answer."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Hand a connection to the threads that answer."""
        if self._waiting.qsize() >= _WAITING:
            self.shutdown_request(request)
            return
        self._waiting.put((request, client_address))

    def service_actions(self) -> None:
        """Hang up on who takes too long to ask, or to take the answer."""
        now = monotonic()
        for connection, since in list(self._open.items()):
            if now - since > _REQUEST_S:
                _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or asked for nothing, is no news."""
        logger.debug("a request for metrics came to nothing")

    def _answer(self) -> None:
        while (item := self._waiting.get()) is not None:
            request, client_address = item
            self._open[request] = monotonic()
            try:
                if not self._stopping:
                    self.finish_request(request, client_address)
            except Exception:  # noqa: BLE001 - this thread must not end
                self.handle_error(request, client_address)
            finally:
                self._open.pop(request, None)
                self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: MetricsServer
    timeout = _SILENT_S

    def do_GET(self) -> None:
        """The metrics, in the form that the client can read best."""
        self._reply(body=True)

    def do_HEAD(self) -> None:
        """As GET, without them."""
        self._reply(body=False)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Any other method, or what is no HTTP at all: a line, not http.server's page."""
        self._send(code, _TEXT, f"{message or HTTPStatus(code).phrase}\n".encode(), body=True)

    def _reply(self, *, body: bool) -> None:
        if self.path.partition("?")[0] != "/metrics":
            line = b"not found: the metrics of this worker process are at /metrics\n"
            self._send(HTTPStatus.NOT_FOUND, _TEXT, line, body=body)
            return
        try:
            encode, kind = format_for(self.headers.get("Accept", ""))
            content = encode(self.server.registry)
        except Exception:
            logger.exception("the metrics could not be written out")
            line = b"the metrics could not be written out; the worker's log says why\n"
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, line, body=body)
            return
        self._send(HTTPStatus.OK, kind, content, body=body)

    def _send(self, status: int, kind: str, content: bytes, *, body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def version_string(self) -> str:
        """Nobody needs to know the version of Python from here."""
        return "callboard"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """A scrape each few seconds is no news."""


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has gone by itself


def listen(host: str, first: int, registry: Collector) -> MetricsServer | None:
    """Listen on the first free port from ``first`` on; 0: on any. None, and a warning, when none can be had."""
    ports = range(first, min(first + PORTS, 65_536)) if first else (0,)
    for port in ports:
        try:
            return MetricsServer(host, port, registry)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                logger.warning("metrics are not served: %s:%d cannot be listened on: %s", host, port, error)
                return None
    logger.warning("metrics are not served: none of the ports %d–%d of %s is free", ports[0], ports[-1], host)
    return None


def advertised(host: str, port: int, advertise: str | None) -> str:
    """``host:port`` for whoever scrapes: the advertised host, else the one that is listened on, which is this machine's
    name when that is every address it has."""
    name = advertise or (socket.gethostname() if host in _EVERYWHERE else host)
    return f"[{name}]:{port}" if ":" in name and not name.startswith("[") else f"{name}:{port}"
