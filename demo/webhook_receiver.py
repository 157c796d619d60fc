"""A real HTTP server on this machine that keeps what it gets and answers as it is told.

::

    with WebhookReceiver() as receiver:
        receiver.answer(503, {"Retry-After": "2"}, times=1)
        ...  # POST to receiver.url("/hook")
        [request] = receiver.wait_for(1)
        request.headers["webhook-id"], request.body
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

#: What it does instead of a whole answer. ``hang_up``: closes the connection without a word; ``silence``: says nothing
#: until it stops; ``drip``: sends a header a moment until it stops; ``endless``: a body without end.
Trick = Literal["hang_up", "silence", "drip", "endless"]

#: Between two headers of ``drip`` (seconds).
_DRIP_S = 0.05


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request. Names of headers are in lower case; ``at``: when it came (seconds since the epoch)."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    #: Number of the connection that it came on, from 1.
    connection: int
    #: Where it was written; None if the server has no folder.
    file: Path | None = None


@dataclass(slots=True)
class _Script:
    """What to answer, and how often: ``left`` None is for ever."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    think_s: float = 0.0
    trick: Trick | None = None
    left: int | None = None
    #: Only for requests of this path; None: of any.
    path: str | None = None


class WebhookReceiver:
    """An HTTP/1.1 server with a thread a connection, on 127.0.0.1 and a free port.

    Args:
        host: an address of this machine.
        ssl_context: the server's certificate; without one it speaks plain HTTP.
        folder: if given, each request is also written there, with the status it is answered with, as ``0001.json`` and
            so on. Bodies must be UTF-8 then.
    """

    def __init__(
        self, host: str = "127.0.0.1", *, ssl_context: ssl.SSLContext | None = None, folder: Path | None = None
    ) -> None:
        self.host = host
        self.port = 0
        #: What came, in order.
        self.requests: list[ReceivedRequest] = []
        #: Connections accepted so far.
        self.connections = 0
        self._ssl_context = ssl_context
        self._folder = folder
        self._default = _Script()
        self._planned: list[_Script] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    # -- life

    def start(self) -> Self:
        """Begin to listen; ``port`` is known afterwards."""
        self._server = _Server(self)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="receiver", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and hang up on everybody."""
        self._stopping.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def url(self, path: str = "/hook", host: str | None = None) -> str:
        """The URL of ``path``, under another name of this machine if asked."""
        shown = host or (f"[{self.host}]" if ":" in self.host else self.host)
        return f"{'http' if self._ssl_context is None else 'https'}://{shown}:{self.port}{path}"

    # -- what it is told

    def answer(
        self,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        *,
        think_s: float = 0.0,
        times: int | None = None,
        path: str | None = None,
    ) -> None:
        """Answer so, after ``think_s`` seconds: the next ``times`` requests (after what is planned already), of
        ``path`` if it is given; or always when nothing else is planned."""
        self._plan(_Script(status, dict(headers or {}), body, think_s, None, times, path))

    def play(self, trick: Trick, *, times: int | None = None) -> None:
        """Do ``trick`` instead of answering: the next ``times`` requests, or always when nothing else is planned."""
        self._plan(_Script(trick=trick, left=times))

    # -- what came of it

    def wait_for(self, count: int, timeout: float = 10.0) -> list[ReceivedRequest]:
        """Wait until ``count`` requests have come.

        Raises: TimeoutError, saying how many came, after ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.requests) >= count, timeout):
                raise TimeoutError(f"expected {count} requests within {timeout} s, got {len(self.requests)}")
            return list(self.requests)

    # -- inside the server's threads

    def _plan(self, script: _Script) -> None:
        with self._changed:
            if script.left is None:
                self._default = script
            else:
                self._planned.append(script)

    def _accepted(self) -> int:
        with self._changed:
            self.connections += 1
            return self.connections

    def _came(self, request: ReceivedRequest) -> _Script:
        """Keep a request. Returns: what to answer."""
        with self._changed:
            script = self._take(request.path)
            if self._folder is not None:
                file = self._folder / f"{len(self.requests) + 1:04}.json"
                file.write_text(_written(request, script), encoding="utf-8")
                request = replace(request, file=file)
            self.requests.append(request)
            self._changed.notify_all()
            return script

    def _take(self, path: str) -> _Script:
        for script in self._planned:
            if script.left and script.path in (None, path):
                script.left -= 1
                return script
        return self._default

    def _pause(self, seconds: float | None) -> bool:
        """Wait so long, or for ever (None). Returns: whether the server stops."""
        return self._stopping.wait(seconds)


def _written(request: ReceivedRequest, script: _Script) -> str:
    kept = {
        "method": request.method, "path": request.path, "headers": request.headers, "body": request.body.decode(),
        "at": request.at, "answered": None if script.trick else script.status,
    }  # fmt: skip
    return json.dumps(kept, indent=2) + "\n"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, receiver: WebhookReceiver) -> None:
        self.receiver = receiver
        self.address_family = socket.AF_INET6 if ":" in receiver.host else socket.AF_INET
        self._open: set[socket.socket] = set()
        super().__init__((receiver.host, 0), _Conversation)

    def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """In the connection's own thread: a handshake that stalls must not hold up the others."""
        context = self.receiver._ssl_context  # noqa: SLF001  # one module
        self._open.add(request)
        try:
            if context is not None:
                self._open.discard(request)
                request = context.wrap_socket(request, server_side=True)
                self._open.add(request)
            _Conversation(request, client_address, self)
        except (OSError, ValueError):
            pass  # the client is gone, or does not trust us
        finally:
            self._open.discard(request)
            request.close()

    def hang_up(self) -> None:
        """End all conversations."""
        for each in list(self._open):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        """Nothing: :meth:`finish_request` closes it."""


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._number = self.server.receiver._accepted()  # noqa: SLF001  # one module

    def do_POST(self) -> None:
        """Keep the request and do as told."""
        receiver = self.server.receiver
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        script = receiver._came(  # noqa: SLF001  # one module
            ReceivedRequest(self.command, self.path, headers, body, time.time(), self._number)
        )
        if script.trick is not None:
            self.close_connection = True
            self._play(script.trick)
            return
        if script.think_s:
            receiver._pause(script.think_s)  # noqa: SLF001  # one module
        self.send_response(script.status)
        for name, value in script.headers.items():
            self.send_header(name, value)
        if script.status != 204:
            self.send_header("Content-Length", str(len(script.body)))
        self.end_headers()
        if script.status != 204:
            self.wfile.write(script.body)

    do_GET = do_POST  # noqa: N815  # http.server's name

    def _play(self, trick: Trick) -> None:
        pause = self.server.receiver._pause  # noqa: SLF001  # one module
        if trick == "hang_up":
            # A reset instead of an orderly end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif trick == "silence":
            pause(None)
        elif trick == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not pause(_DRIP_S):
                self.wfile.write(b"X-More: to come\r\n")
        else:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
            while not pause(0):
                self.wfile.write(b"and so on " * 1000)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Nothing: what came is in ``requests``."""
