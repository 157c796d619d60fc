"""Waiting for work: blocking on wake-up marks, so that an idle process starts a new job in about a millisecond.

Taking a mark is taking the duty to look: the pump is told at once. Only a process with a free slot listens, and only on
the queues that it has room for. Blocking calls have connections of their own; on Cluster one a queue, since a call
cannot block on keys of several slots.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from redis import RedisCluster
from redis.connection import AbstractConnection
from redis.exceptions import RedisError

from callboard.errors import CallboardError
from callboard.keys import queue_key
from callboard.store.connect import cluster_client
from callboard.store.store import DirectStore, Store

logger = logging.getLogger("callboard.listener")

#: How long one call blocks on Redis (seconds).
BLOCK_S = 5

#: How long to wait after the connection failed (seconds).
_RECONNECT_S = 0.2


class Listener:
    """Listens for marks of the queues in ``wanted`` and calls ``on_mark(queue)``; ``on_reconnect()`` when marks may
    have been lost."""

    def __init__(
        self, store: Store, queues: list[str], on_mark: Callable[[str], None], on_reconnect: Callable[[], None]
    ) -> None:
        self._store = store
        self._on_mark = on_mark
        self._on_reconnect = on_reconnect
        self._keys = {queue_key(store.settings.prefix, name, "wake"): name for name in queues}
        self._key_of = {name: key for key, name in self._keys.items()}
        self._condition = threading.Condition()
        self._wanted: set[str] = set()
        self._stopping = False
        groups = [queues] if isinstance(store, DirectStore) else [[name] for name in queues]
        self._ears = [_Ear(self, group) for group in groups]

    def start(self) -> None:
        """Begin to listen, once something is wanted."""
        for ear in self._ears:
            ear.start()

    def want(self, queues: set[str]) -> None:
        """From now on listen on ``queues``."""
        if queues == self._wanted:
            return
        with self._condition:
            grown = queues - self._wanted
            self._wanted = set(queues)
            self._condition.notify_all()
        if grown:
            for ear in self._ears:
                ear.widen(grown)

    def stop(self) -> None:
        """Listen no more; returns when the threads have ended or are about to."""
        with self._condition:
            self._stopping = True
            self._wanted = set()
            self._condition.notify_all()
        for ear in self._ears:
            ear.end()


class _Ear(threading.Thread):
    """One blocking connection, over the queues of one group."""

    def __init__(self, listener: Listener, queues: list[str]) -> None:
        super().__init__(name="callboard-listener", daemon=True)
        self._listener = listener
        self._queues = set(queues)
        self._connection: AbstractConnection | None = None
        self._cluster: RedisCluster | None = None
        self._client_id = 0
        self._blocked_on: set[str] = set()

    def run(self) -> None:
        listener = self._listener
        while (queues := self._await_wanted()) is not None:
            try:
                queue = self._block(queues)
            except (RedisError, OSError, CallboardError) as error:
                if listener._stopping:
                    return
                logger.debug("listening failed: %s", error)
                self._disconnect()
                threading.Event().wait(_RECONNECT_S)
                listener._on_reconnect()
                continue
            if queue is None:
                continue
            with listener._condition:
                still_wanted = queue in listener._wanted
                listener._wanted.discard(queue)
            if not still_wanted:
                # The slots filled up meanwhile: leave the mark to another process.
                try:
                    listener._store.execute("RPUSH", listener._key_of[queue], "1")
                except CallboardError as error:
                    logger.debug("a mark could not be put back: %s", error)
            listener._on_mark(queue)
        self._disconnect()

    def _await_wanted(self) -> set[str] | None:
        condition = self._listener._condition
        with condition:
            while not self._listener._stopping:
                queues = self._listener._wanted & self._queues
                if queues:
                    return queues
                condition.wait()
        return None

    def _block(self, queues: set[str]) -> str | None:
        keys = [self._listener._key_of[name] for name in sorted(queues)]
        store = self._listener._store
        reply: Any
        if isinstance(store, DirectStore):
            if self._connection is None:
                connection = store.new_connection()
                connection.connect()
                connection.send_command("CLIENT", "ID")
                self._client_id = connection.read_response()
                self._connection = connection
            self._blocked_on = queues
            self._connection.send_command("BLPOP", *keys, BLOCK_S)
            reply = self._connection.read_response(timeout=BLOCK_S + store.settings.socket_timeout_s)
            self._blocked_on = set()
        else:
            if self._cluster is None:
                self._cluster = cluster_client(store.settings, block_s=BLOCK_S)
            reply = self._cluster.execute_command("BLPOP", keys[0], BLOCK_S)
        return self._listener._keys[reply[0].decode()] if reply else None

    def widen(self, grown: set[str]) -> None:
        """``grown`` queues are wanted now: a call that blocks without them is ended, so that it begins again."""
        if self._blocked_on and (grown & self._queues) - self._blocked_on:
            self._unblock()

    def end(self) -> None:
        """End the call that blocks."""
        if self._blocked_on:
            self._unblock()

    def _unblock(self) -> None:
        try:
            self._listener._store.execute("CLIENT", "UNBLOCK", self._client_id)
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
