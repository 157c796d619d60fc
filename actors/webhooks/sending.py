"""One POST to an endpoint, and its answer.

Spoken with httpcore2, the layer under httpx2: it takes a socket layer of ours (``guard``) and has nothing to turn off,
since it follows no redirects, keeps no cookies, reads no proxies from the environment and unpacks no bodies.
"""

from __future__ import annotations

import os
import threading
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version

import httpcore2
import httpx2

from actors.webhooks.errors import EndpointTimedOut, EndpointUnreachable
from actors.webhooks.guard import GuardedBackend
from actors.webhooks.settings import WebhookSettings, load_webhook_settings

#: Bytes of an answer's body that are shown.
EXCERPT_BYTES = 1024

#: How long an answer's body may take once its head is here (seconds): the outcome is known by then.
_BODY_S = 2.0

#: Idle connections are closed before most servers do it (5 s): a request that meets a closing one is lost.
_KEEP_ALIVE_S = 4.0

#: Idle connections that a process keeps. The pool looks at each of them for every request.
_KEPT = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered. ``excerpt``: the first KiB of the body as one line of text."""

    status: int
    retry_after: str | None
    excerpt: str
    duration_ms: int

    @property
    def named(self) -> str:
        """The status with its usual name: ``503 Service Unavailable``."""
        try:
            return f"{self.status} {HTTPStatus(self.status).phrase}"
        except ValueError:
            return str(self.status)


class Sender:
    """Sends events for one process; safe to use from several threads."""

    def __init__(self, settings: WebhookSettings) -> None:
        self.settings = settings
        self._backend = GuardedBackend(settings.policy, settings.connect_timeout_s)
        context = httpcore2.default_ssl_context()
        if settings.ca_file is not None:
            context.load_verify_locations(cafile=str(settings.ca_file))
        self._pool = httpcore2.ConnectionPool(
            ssl_context=context, network_backend=self._backend, max_connections=None,
            max_keepalive_connections=_KEPT, keepalive_expiry=_KEEP_ALIVE_S,
        )  # fmt: skip
        self._fixed = {"content-type": "application/json", "user-agent": f"Callboard/{_version()} (webhooks)"}

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send ``body`` to ``url``.

        Must not be interrupted from outside (``CurrentJob.uninterrupted``): the pool's lock is written in Python, and
        an exception between taking and giving it back leaves it locked for all threads. The timeout ends every call.

        Raises: EndpointTimedOut, EndpointUnreachable; AddressBlocked. Their messages say the host and not the URL,
        which may hold a key.
        """
        target = _target(url)
        host = target.host.decode()
        began = time.monotonic()
        try:
            with (
                self._backend.attempt(self.settings.timeout_s, plain=target.scheme == b"http") as attempt,
                self._pool.stream("POST", target, headers=self._head(headers), content=body) as response,
            ):
                duration_ms = int((time.monotonic() - began) * 1000)
                attempt.deadline = min(attempt.deadline, time.monotonic() + _BODY_S)
                excerpt = self._read(response)
        except httpcore2.TimeoutException as error:
            raise EndpointTimedOut(f"{host}: {error} ({time.monotonic() - began:.1f} s)") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise EndpointUnreachable(f"{host}: {_printable(str(error)) or type(error).__name__}") from error
        retry_after = next((v for k, v in response.headers if k.lower() == b"retry-after"), None)
        said = None if retry_after is None else retry_after.decode("latin-1")
        return Answer(response.status, said, excerpt, duration_ms)

    def _head(self, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        return [(name.encode(), value.encode()) for name, value in (*self._fixed.items(), *headers.items())]

    def _read(self, response: httpcore2.Response) -> str:
        """The beginning of the body. What goes wrong with the rest of it changes nothing."""
        kept, seen = b"", 0
        try:
            for chunk in response.iter_stream():
                kept += chunk[: EXCERPT_BYTES - len(kept)]
                seen += len(chunk)
                if seen >= self.settings.answer_max_bytes:
                    break
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
            pass
        return _printable(kept.decode("utf-8", "replace"))


def _printable(text: str) -> str:
    """``text`` in one line, without characters that control terminals or the direction of writing."""
    return " ".join("".join(c if c.isspace() or unicodedata.category(c)[0] != "C" else "·" for c in text).split())


@lru_cache(maxsize=1024)
def _target(url: str) -> httpcore2.URL:
    parsed = httpx2.URL(url)
    return httpcore2.URL(
        scheme=parsed.raw_scheme, host=parsed.raw_host, port=parsed.port, target=parsed.raw_path
    )  # fmt: skip


def _version() -> str:
    try:
        return version("callboard")
    except PackageNotFoundError:  # run from a tree that is not installed
        return "0"


_lock = threading.Lock()
_sender: Sender | None = None


def _start_anew() -> None:
    """A forked child must neither share its parent's connections nor wait for a lock that is nobody's any more."""
    global _sender, _lock
    _sender, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_start_anew)


def process_sender() -> Sender:
    """The sender of this process, made at first use with the settings of the environment.

    Raises: PermanentError when they do not fit.
    """
    global _sender
    with _lock:
        if _sender is None:
            _sender = Sender(load_webhook_settings())
        return _sender
