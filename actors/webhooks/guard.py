"""The socket layer under the HTTP client: connects to allowed addresses only, and keeps one deadline an attempt.

The address is checked here, when the socket is about to connect to it, and not when a URL is looked at: between the two
a name may change what it resolves to (DNS rebinding). The socket gets the address that was checked, not the name.

The HTTP client's own timeouts hold for each single read or write, so that a peer which sends a byte a second would hold
a worker thread for hours. Here every operation gets what is left until the deadline of the attempt.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

import httpcore2

from actors.webhooks.addresses import AddressPolicy
from actors.webhooks.errors import AddressBlocked

#: Addresses of one name that are tried.
_TRIED = 4

_Found = list[tuple[Any, Any, int, str, Any]]


class Attempt(threading.local):
    """What the calling thread is about: until when (monotonic seconds), and whether without TLS."""

    deadline: float = 0.0
    plain: bool = False

    def left(self, *, most: float | None = None) -> float:
        """Seconds until the deadline, at most ``most``; never 0, which would mean "do not wait" to a socket."""
        left = self.deadline - time.monotonic()
        return max(left if most is None else min(left, most), 0.001)

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() >= self.deadline


class GuardedBackend(httpcore2.NetworkBackend):
    """Opens connections for one process's pool."""

    def __init__(self, policy: AddressPolicy, connect_timeout_s: float) -> None:
        self._policy = policy
        self._connect_timeout_s = connect_timeout_s
        self._attempt = Attempt()

    @contextmanager
    def attempt(self, timeout_s: float, *, plain: bool) -> Iterator[Attempt]:
        """What this thread does within belongs to one attempt of ``timeout_s`` seconds."""
        self._attempt.deadline = time.monotonic() + timeout_s
        self._attempt.plain = plain
        yield self._attempt

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection to the first address of ``host`` that may be connected to and answers.

        Raises: AddressBlocked when none of them may be; httpcore2.ConnectError, httpcore2.ConnectTimeout.
        """
        until = time.monotonic() + self._attempt.left(most=self._connect_timeout_s)
        allowed = self._allowed(host, port, _resolve(host, port, until - time.monotonic()))
        failure: OSError | None = None
        for i, (family, kind, proto, _, where) in enumerate(allowed):
            # A silent address must not use up the time of the ones behind it.
            share = (until - time.monotonic()) / (len(allowed) - i)
            if share <= 0:
                break
            sock = socket.socket(family, kind, proto)
            try:
                sock.settimeout(share)
                sock.connect(where)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return _Stream(sock, self._attempt, until)
        if failure is None or isinstance(failure, TimeoutError):
            raise httpcore2.ConnectTimeout("no connection in time")
        raise httpcore2.ConnectError(f"no connection: {failure.strerror or failure}")

    def _allowed(self, host: str, port: int, found: _Found) -> _Found:
        """The addresses of ``found`` that may be connected to, a few."""
        allowed, refusal = [], "it has no address"
        for each in found:
            address = ip_address(each[4][0])
            reason = self._policy.refusal(address, port, plain=self._attempt.plain)
            if reason is None:
                allowed.append(each)
            else:
                refusal = f"{address}: {reason}" if str(address) != host else reason
        if not allowed:
            shown = f"[{host}]" if ":" in host else host
            raise AddressBlocked(f"{shown}:{port} is not an address that webhooks may be sent to ({refusal})")
        return allowed[:_TRIED]


class _Stream(httpcore2.NetworkStream):
    """One connection. It outlives attempts: the deadline is that of the attempt that uses it now."""

    def __init__(self, sock: socket.socket, attempt: Attempt, connected_by: float = 0.0) -> None:
        self._sock = sock
        self._attempt = attempt
        self._connected_by = connected_by

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Raises: httpcore2.ReadTimeout at the deadline; httpcore2.ReadError."""
        if self._attempt.over:
            raise httpcore2.ReadTimeout("no answer in time")
        self._sock.settimeout(self._attempt.left())
        try:
            return self._sock.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore2.ReadTimeout("no answer in time") from error
        except OSError as error:
            raise httpcore2.ReadError(f"the connection broke: {error.strerror or error}") from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Raises: httpcore2.WriteTimeout at the deadline; httpcore2.WriteError."""
        view = memoryview(buffer)
        while view:
            if self._attempt.over:
                raise httpcore2.WriteTimeout("the request was not taken in time")
            self._sock.settimeout(self._attempt.left())
            try:
                view = view[self._sock.send(view) :]
            except TimeoutError as error:
                raise httpcore2.WriteTimeout("the request was not taken in time") from error
            except OSError as error:
                raise httpcore2.WriteError(f"the connection broke: {error.strerror or error}") from error

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        """Raises: httpcore2.ConnectTimeout, httpcore2.ConnectError; a certificate that is not trusted says so."""
        try:
            # The handshake as a whole must be over by then: Python counts its timeout for all of it.
            self._sock.settimeout(self._attempt.left(most=self._connected_by - time.monotonic()))
            return _Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname), self._attempt)
        except TimeoutError as error:
            self.close()
            raise httpcore2.ConnectTimeout("no TLS connection in time") from error
        except ssl.SSLCertVerificationError as error:
            self.close()
            raise httpcore2.ConnectError(f"its certificate is not trusted: {error.verify_message}") from error
        except (OSError, ValueError) as error:
            self.close()
            raise httpcore2.ConnectError(f"no TLS connection: {getattr(error, 'reason', None) or error}") from error
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        """``is_readable`` tells the pool that the peer has closed an idle connection."""
        if info == "is_readable":
            return _readable(self._sock)
        if info == "socket":
            return self._sock
        return None


def _readable(sock: socket.socket) -> bool:
    if sock.fileno() < 0:
        return True
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


def _resolve(host: str, port: int, timeout_s: float) -> _Found:
    """The addresses of ``host``, asked for in a thread of its own: the system's resolver knows no timeout.

    Raises: httpcore2.ConnectTimeout, httpcore2.ConnectError.
    """
    answer: list[_Found | OSError] = []

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answer.append(error if isinstance(error, OSError) else OSError("it is not a host name"))

    thread = threading.Thread(target=ask, name="webhook-resolver", daemon=True)
    thread.start()
    thread.join(max(timeout_s, 0))
    if not answer:
        raise httpcore2.ConnectTimeout(f"the name {host} was not resolved in time")
    if isinstance(answer[0], OSError):
        raise httpcore2.ConnectError(f"the name {host} cannot be resolved: {answer[0].strerror or answer[0]}")
    return answer[0]
