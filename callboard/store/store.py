"""Calls of verbs on Redis: one, or several in one round trip."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any
from weakref import WeakSet

from hiredis import pack_command
from redis import RedisCluster
from redis.connection import ConnectionInterface
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    InvalidResponse,
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
)

from callboard.errors import StoreRefused, StoreUnavailable
from callboard.keys import queue_key
from callboard.settings import Settings
from callboard.store.connect import cluster_client, connection_pool, is_cluster
from callboard.store.scripts import Script, load

#: A verb, the queue it is about ('' for the deployment), and its ARGV.
Call = tuple[str, str, Sequence[Any]]

#: How often a script is loaded for one call before its absence is an outage.
_LOADS = 5

#: What Redis answers when it takes no writes for now.
_REFUSALS = ("OOM", "MISCONF", "READONLY", "NOREPLICAS")
_NOT_READY = ("CLUSTERDOWN", "TRYAGAIN", "LOADING", "MASTERDOWN")
#: InvalidResponse: what answers there is no Redis.
_OUTAGES = (ConnectionError, TimeoutError, ClusterDownError, RedisClusterException, OSError, InvalidResponse)


def _code_of(error: BaseException) -> str:
    """The first word of Redis' answer. redis-py takes it out of the message of the errors that it has a class for."""
    code = getattr(error, "status_code", None)
    return code if isinstance(code, str) else str(error).partition(" ")[0]


def _translated(error: BaseException) -> Exception:
    """The error of ours that stands for one of redis-py's."""
    if isinstance(error, _OUTAGES):
        return StoreUnavailable(f"Redis is not reachable: {error}")
    code = _code_of(error)
    if code in _REFUSALS:
        return StoreRefused(f"Redis takes no writes: {code} {error}")
    if code in _NOT_READY:
        return StoreUnavailable(f"Redis is not ready: {code} {error}")
    assert isinstance(error, Exception)
    return error


class Store(ABC):
    """Runs verbs. Safe to use from several threads; after a fork each process gets connections of its own."""

    #: Called after each round trip with its first verb and how long it took (seconds), on the thread that made it.
    on_call: Callable[[str, float], None] | None = None

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._heads: dict[tuple[str, str], tuple[Any, ...]] = {}

    def call(self, verb: str, queue: str, args: Sequence[Any] = ()) -> Any:
        """Run one verb and return its reply.

        Raises: StoreUnavailable when Redis does not answer (the verb may have run), StoreRefused when it takes no
        writes (the verb did not run), ResponseError when the script itself failed.
        """
        reply = self.pipeline([(verb, queue, args)])[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    def pipeline(self, calls: Sequence[Call]) -> list[Any]:
        """Run several verbs in one round trip (one a verb on Cluster); a failed one is an exception in its place.

        Raises: StoreUnavailable when the connection failed: any of the verbs may have run.
        """
        if self.on_call is None or not calls:
            return self._round_trip(calls)
        began = monotonic()
        try:
            return self._round_trip(calls)
        finally:
            self.on_call(calls[0][0], monotonic() - began)

    def _round_trip(self, calls: Sequence[Call]) -> list[Any]:
        replies = self._send([self._command(verb, queue, args) for verb, queue, args in calls])
        for i, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):
                replies[i] = self._load_and_send(calls[i])
            if isinstance(replies[i], RedisError):
                replies[i] = _translated(replies[i])
        return replies

    def key(self, queue: str, name: str) -> str:
        """The full name of a queue's key, for plain commands."""
        return queue_key(self.settings.prefix, queue, name)

    def _load_and_send(self, call: Call) -> Any:
        """Send a call whose script Redis did not have. The script may be flushed again before the call is there."""
        verb, queue, args = call
        for _ in range(_LOADS):
            self._load(load(verb), queue)
            reply = self._send([self._command(verb, queue, args)])[0]
            if not isinstance(reply, NoScriptError):
                return reply
        raise StoreUnavailable(f"Redis forgot the script of {verb!r} {_LOADS} times in a row")

    def _command(self, verb: str, queue: str, args: Sequence[Any]) -> tuple[Any, ...]:
        head = self._heads.get((verb, queue))
        if head is None:
            script = load(verb)
            keys = script.full_keys(self.settings.prefix, queue)
            head = ("EVALSHA", script.sha, len(keys), *keys)
            self._heads[verb, queue] = head
        return (*head, *args)

    @abstractmethod
    def execute(self, *command: Any) -> Any:
        """Run a plain Redis command; on Cluster, on the node of its first key."""

    @abstractmethod
    def _send(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Send commands and return the replies, Redis errors as exceptions in their place."""

    @abstractmethod
    def _load(self, script: Script, queue: str) -> None:
        """Load a script where the keys of ``queue`` live."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections of all threads."""


class _Slot(threading.local):
    """A thread's own connection. ``busy`` stays set when a call was interrupted half-way."""

    connection: ConnectionInterface | None = None
    pid: int = 0
    busy: bool = False


class DirectStore(Store):
    """One server, or the master that Sentinel names. Each thread keeps a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._pool = connection_pool(settings)
        self._slot = _Slot()
        self._lock = threading.Lock()
        #: Without keeping them: the connection of a thread that ended is closed.
        self._all: WeakSet[ConnectionInterface] = WeakSet()

    def new_connection(self) -> ConnectionInterface:
        """A connection that the caller owns and closes; used for blocking calls."""
        return self._pool.make_connection()

    def _connection(self) -> ConnectionInterface:
        slot = self._slot
        pid = os.getpid()
        if slot.connection is None or slot.pid != pid:
            # A connection that came through a fork belongs to the parent: leave it, open another.
            slot.connection, slot.pid = self._pool.make_connection(), pid
            with self._lock:
                self._all.add(slot.connection)
        elif slot.busy:
            slot.connection.disconnect()
        return slot.connection

    def _send(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        try:
            connection = self._connection()
            slot = self._slot
            slot.busy = True
            if len(commands) == 1:
                # As redis-py packs it, without its looks at each argument: ours are text, bytes and numbers.
                connection.send_packed_command([pack_command(commands[0])], check_health=False)
            else:
                connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            replies: list[Any] = []
            for _ in commands:
                try:
                    replies.append(connection.read_response())
                except ResponseError as error:
                    replies.append(error)
            slot.busy = False
            if any(isinstance(r, ResponseError) and _code_of(r) == "READONLY" for r in replies):
                connection.disconnect()  # a former master: ask Sentinel again next time
            return replies
        except _OUTAGES as error:
            raise _translated(error) from error

    def execute(self, *command: Any) -> Any:
        reply = self._send([command])[0]
        if isinstance(reply, Exception):
            raise _translated(reply)
        return reply

    def _load(self, script: Script, queue: str) -> None:
        self._send([("SCRIPT", "LOAD", script.text)])

    def close(self) -> None:
        with self._lock:
            for connection in self._all:
                connection.disconnect()
            self._all.clear()
        self._pool.disconnect()


class ClusterStore(Store):
    """Redis Cluster: every verb touches one slot, so each goes to the node that has its queue."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._lock = threading.Lock()
        self._client: RedisCluster | None = None
        self._pid = 0

    @property
    def client(self) -> RedisCluster:
        """The client of this process, connected at first use."""
        with self._lock:
            if self._client is None or self._pid != os.getpid():
                self._client, self._pid = cluster_client(self.settings), os.getpid()
            return self._client

    def _send(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        replies: list[Any] = []
        try:
            for command in commands:
                try:
                    replies.append(self.client.execute_command(*command))
                except _OUTAGES:
                    raise
                except ResponseError as error:
                    replies.append(error)
        except _OUTAGES as error:
            raise _translated(error) from error
        return replies

    def execute(self, *command: Any) -> Any:
        reply = self._send([command])[0]
        if isinstance(reply, Exception):
            raise _translated(reply)
        return reply

    def _load(self, script: Script, queue: str) -> None:
        try:
            self.client.script_load(script.text)
        except _OUTAGES as error:
            raise _translated(error) from error

    def close(self) -> None:
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None


def open_store(settings: Settings) -> Store:
    """The store that the settings' URL names. Nothing is connected before the first call."""
    return ClusterStore(settings) if is_cluster(settings) else DirectStore(settings)
