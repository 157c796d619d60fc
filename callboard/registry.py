"""The actors that workers have published, as a producer sees them: cached, so that a check costs no round trip."""

from __future__ import annotations

import threading
import time
from typing import Any

from callboard.errors import UnknownActor
from callboard.store.store import Store
from callboard.verbs import fleet

#: How long what Redis said of the actors is believed (seconds), and how soon an unknown name makes us ask again.
BELIEVED_S, ASK_AGAIN_S = 30.0, 1.0


class ActorRegistry:
    """What is published of each actor: ``{"queue": …, "priority": …}``."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._actors: dict[str, dict[str, Any]] = {}
        self._asked = float("-inf")

    def find(self, actor: str, queue: str) -> dict[str, Any]:
        """What is published of ``actor``.

        Raises: UnknownActor when no worker published it, or it belongs to another queue; StoreUnavailable.
        """
        now = time.monotonic()
        known = self._actors.get(actor)
        age = now - self._asked
        if age > BELIEVED_S or (known is None and age > ASK_AGAIN_S):
            with self._lock:
                self._actors, self._asked = fleet.actors(self._store), now
            known = self._actors.get(actor)
        if known is None:
            names = ", ".join(sorted(self._actors)) or "none: no worker has started yet"
            raise UnknownActor(f"unknown actor {actor!r}; workers have published: {names}")
        if known["queue"] != queue:
            raise UnknownActor(f"actor {actor!r} runs on queue {known['queue']!r}, not on {queue!r}")
        return known
