"""A TCP proxy between Callboard and Redis that understands enough of the protocol to fail at a chosen place.

It takes requests apart into commands and knows which verb's script each one calls, so a rule can strike the n-th call
of a verb: before the script ran, after it ran with its reply lost, in a black hole, or late: when the caller has given
up and called again.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import hiredis

from callboard.store.scripts import load
from tests.support.wait import wait_until

#: What a rule does to the call that it strikes.
BEFORE = "cut before the script ran"
AFTER = "cut after the script ran: the reply is lost"
HOLE = "black hole: the call is swallowed, the connection stays"
LATE = "held back: the connection is cut, and the call reaches Redis at `deliver_late`"


@dataclass
class Rule:
    """Strikes calls of ``verb``; ``passing`` of them are let through first, then ``times`` are struck."""

    verb: str
    what: str
    times: int = 1
    passing: int = 0
    #: Which calls it is about, by their words; all by default.
    when: Callable[[list[bytes]], bool] = lambda words: True
    #: How many calls it has struck.
    struck: int = 0
    held: list[bytes] = field(default_factory=list)

    def matches(self, words: list[bytes]) -> bool:
        """Whether this call is struck; counts it."""
        if len(words) < 2 or words[0].upper() != b"EVALSHA" or words[1].decode() != load(self.verb).sha:
            return False
        if self.struck >= self.times or not self.when(words):
            return False
        if self.passing > 0:
            self.passing -= 1
            return False
        self.struck += 1
        return True


class Proxy:
    """Listens on a port of its own and passes everything on to the server at ``url``."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or 6379)
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self._links: set[_Link] = set()
        self._open = True
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.cut()
        self._server.close()

    def strike(self, verb: str, what: str, *, times: int = 1, passing: int = 0,
               when: Callable[[list[bytes]], bool] = lambda words: True) -> Rule:  # fmt: skip
        """From now on the next ``times`` calls of ``verb`` are struck, after ``passing`` of them."""
        rule = Rule(verb, what, times, passing, when)
        with self._lock:
            self._rules.append(rule)
        return rule

    def deliver_late(self, rule: Rule) -> None:
        """Let the calls that ``rule`` held back reach Redis now, and wait until they ran."""
        with socket.create_connection(self._target, timeout=10) as connection:
            reader = hiredis.Reader(notEnoughData=_NOT_YET)
            for command in rule.held:
                connection.sendall(command)
                while reader.gets() is _NOT_YET:
                    reader.feed(connection.recv(65536))
        rule.held.clear()

    def cut(self) -> None:
        """Redis is away: close every connection and take no new one, until :meth:`mend`."""
        with self._lock:
            self._open = False
            links, self._links = self._links, set()
        for link in links:
            link.close()

    def mend(self) -> None:
        """Redis is back."""
        with self._lock:
            self._open = True

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            link = _Link(self, client, server)
            with self._lock:
                if self._open:
                    self._links.add(link)
                    link.start()
                    continue
            link.close()

    def rule_for(self, words: list[bytes]) -> Rule | None:
        """The rule that strikes this call, if any."""
        with self._lock:
            return next((rule for rule in self._rules if rule.matches(words)), None)

    def forget(self, link: _Link) -> None:
        """A connection is over."""
        with self._lock:
            self._links.discard(link)


_NOT_YET = object()


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._sent = 0
        self._answered = 0
        #: Replies go nowhere from now on.
        self._deaf = False
        self._swallowing = False

    def start(self) -> None:
        """Begin to pass on."""
        threading.Thread(target=self._requests, daemon=True).start()
        threading.Thread(target=self._replies, daemon=True).start()

    def close(self) -> None:
        """Cut both sides."""
        for side in (self._client, self._server):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            side.close()
        self._proxy.forget(self)

    def _requests(self) -> None:
        reader = hiredis.Reader(notEnoughData=_NOT_YET)
        try:
            while data := self._client.recv(65536):
                reader.feed(data)
                while (words := reader.gets()) is not _NOT_YET:
                    if not self._pass_on(words):
                        return
        except OSError:
            pass
        finally:
            if not self._swallowing:
                self.close()

    def _pass_on(self, words: list[bytes]) -> bool:
        """One command. Returns False when the connection ends with it."""
        rule = None if self._swallowing else self._proxy.rule_for(words)
        command = encode(words)
        if rule is None:
            if not self._swallowing:
                self._sent += 1
                self._server.sendall(command)
            return True
        if rule.what == HOLE:
            self._swallowing = True
            return True
        if rule.what == LATE:
            rule.held.append(command)
        if rule.what == AFTER:
            self._deaf = True
            self._sent += 1
            self._server.sendall(command)
            wait_until(lambda: self._answered >= self._sent, 10, "the reply that gets lost")
        return False

    def _replies(self) -> None:
        reader = hiredis.Reader(notEnoughData=_NOT_YET)
        try:
            while data := self._server.recv(65536):
                if not self._deaf:
                    self._client.sendall(data)
                reader.feed(data)
                while reader.gets() is not _NOT_YET:
                    self._answered += 1
        except OSError:
            pass
        finally:
            self.close()


def encode(words: list[bytes]) -> bytes:
    """A command as Redis takes it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
