"""Waiting for work: blocking on wake-up marks, so that an idle process starts a new job in about a millisecond.

Taking a mark is taking the duty to look: the pump is told at once. Only a process with a free slot listens, and only on
the queues that it has room for. Blocking calls have connections of their own; on Cluster one a queue, since a call
cannot block on keys of several slots.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from redis import RedisCluster
from redis.connection import ConnectionInterface
from redis.exceptions import RedisClusterException, RedisError

from callboard.errors import CallboardError
from callboard.keys import queue_key
from callboard.store.connect import cluster_client
from callboard.store.store import DirectStore, Store

logger = logging.getLogger("callboard.listener")

#: How long one call blocks on Redis (seconds).
BLOCK_S = 5

#: How often, and how far apart (seconds), a call that has not reached Redis yet is asked to end.
_UNBLOCK_TRIES, _UNBLOCK_AGAIN_S = 50, 0.001

#: How long to wait after the connection failed (seconds).
_RECONNECT_S = 0.2


class _Wanted:
    """The queues whose marks this process wants now."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.queues: set[str] = set()
        self.stopping = False

    def replace(self, queues: set[str]) -> set[str]:
        """From now on these. Returns those that were not wanted before."""
        with self._condition:
            grown = queues - self.queues
            self.queues = set(queues)
            self._condition.notify_all()
            return grown

    def stop(self) -> None:
        """Nothing is wanted any more."""
        with self._condition:
            self.stopping = True
            self.queues = set()
            self._condition.notify_all()

    def take_off(self, queue: str) -> bool:
        """A mark of ``queue`` was taken: not wanted until somebody has looked. Returns whether it was wanted."""
        with self._condition:
            wanted = queue in self.queues
            self.queues.discard(queue)
            return wanted

    def among(self, candidates: set[str]) -> set[str] | None:
        """Wait until some of ``candidates`` are wanted and return those; None when nothing will be again."""
        with self._condition:
            while not self.stopping:
                if queues := self.queues & candidates:
                    return queues
                self._condition.wait()
        return None


class Listener:
    """Listens for marks of the queues that are wanted and calls ``on_mark(queue)``; ``on_reconnect()`` when marks may
    have been lost."""

    def __init__(
        self, store: Store, queues: list[str], on_mark: Callable[[str], None], on_reconnect: Callable[[], None]
    ) -> None:
        self._wanted = _Wanted()
        groups = [queues] if isinstance(store, DirectStore) else [[name] for name in queues]
        self._ears = [_Ear(store, self._wanted, group, on_mark, on_reconnect) for group in groups]

    def start(self) -> None:
        """Begin to listen, once something is wanted."""
        for ear in self._ears:
            ear.start()

    def want(self, queues: set[str]) -> None:
        """From now on listen on ``queues``."""
        if queues == self._wanted.queues:
            return
        if grown := self._wanted.replace(queues):
            for ear in self._ears:
                ear.widen(grown)

    def stop(self) -> None:
        """Listen no more; the threads end by themselves."""
        self._wanted.stop()
        for ear in self._ears:
            ear.end()


class _Ear(threading.Thread):
    """One blocking connection, over the queues of one group."""

    def __init__(
        self,
        store: Store,
        wanted: _Wanted,
        queues: Iterable[str],
        on_mark: Callable[[str], None],
        on_reconnect: Callable[[], None],
    ) -> None:
        super().__init__(name="callboard-listener", daemon=True)
        self._store = store
        self._wanted = wanted
        self._queues = set(queues)
        self._on_mark = on_mark
        self._on_reconnect = on_reconnect
        self._key_of = {name: queue_key(store.settings.prefix, name, "wake") for name in self._queues}
        self._queue_of = {key: name for name, key in self._key_of.items()}
        self._connection: ConnectionInterface | None = None
        self._cluster: RedisCluster | None = None
        self._client_id = 0
        self._blocked_on: set[str] = set()

    def run(self) -> None:
        while (queues := self._wanted.among(self._queues)) is not None:
            try:
                queue = self._block(queues)
            except (RedisError, RedisClusterException, OSError, CallboardError) as error:
                self._disconnect()
                if self._wanted.stopping:
                    return
                logger.debug("listening failed: %s", error)
                threading.Event().wait(_RECONNECT_S)
                self._on_reconnect()
                continue
            if queue is None:
                continue
            if not self._wanted.take_off(queue):
                self._put_back(queue)
            self._on_mark(queue)
        self._disconnect()

    def _put_back(self, queue: str) -> None:
        """The slots filled up while the call blocked: leave the mark to another process."""
        try:
            self._store.call("wake", queue)
        except Exception as error:  # noqa: BLE001 - this thread has to live; a sweep marks again
            logger.debug("a mark could not be put back: %s", error)

    def _block(self, queues: set[str]) -> str | None:
        keys = [self._key_of[name] for name in sorted(queues)]
        reply: Any
        if isinstance(self._store, DirectStore):
            connection = self._connection or self._connect(self._store)
            self._blocked_on = queues
            # Whoever wanted more before the line above saw no call to end; who does after it ends this one.
            if (self._wanted.queues & self._queues) - queues:
                self._blocked_on = set()
                return None
            connection.send_command("BLPOP", *keys, BLOCK_S)
            reply = connection.read_response(timeout=BLOCK_S + self._store.settings.socket_timeout_s)
            self._blocked_on = set()
        else:
            if self._cluster is None:
                self._cluster = cluster_client(self._store.settings, block_s=BLOCK_S)
            reply = self._cluster.execute_command("BLPOP", keys[0], BLOCK_S)
        return self._queue_of[reply[0].decode()] if reply else None

    def _connect(self, store: DirectStore) -> ConnectionInterface:
        connection = store.new_connection()
        connection.connect()
        connection.send_command("CLIENT", "ID")
        self._client_id = connection.read_response()
        self._connection = connection
        return connection

    def widen(self, grown: set[str]) -> None:
        """``grown`` queues are wanted now: a call that blocks without them is ended, so that it begins again."""
        blocked_on = self._blocked_on
        if blocked_on and (grown & self._queues) - blocked_on:
            self._unblock(blocked_on)

    def end(self) -> None:
        """End the call that blocks."""
        if blocked_on := self._blocked_on:
            self._unblock(blocked_on)

    def _unblock(self, blocked_on: set[str]) -> None:
        """End the call that blocks on ``blocked_on``. It may still be on its way to Redis: then ask again."""
        try:
            for _ in range(_UNBLOCK_TRIES):
                if self._blocked_on is not blocked_on:
                    return
                if self._store.execute("CLIENT", "UNBLOCK", self._client_id):
                    return
                threading.Event().wait(_UNBLOCK_AGAIN_S)
        except CallboardError as error:
            logger.debug("could not unblock the listener: %s", error)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None
        self._blocked_on = set()
