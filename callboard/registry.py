"""The actors that workers publish, and how a producer sees them: cached, so that a check costs no round trip."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dramatiq import Actor

from callboard.catalogue import QueueSpec
from callboard.door import admit
from callboard.errors import UnknownActor
from callboard.payloads import VERSION_OPTION, Contract, PublishedSchema, schema_key
from callboard.store.store import Store
from callboard.verbs import fleet
from callboard.verbs.add import NewJob

logger = logging.getLogger("callboard.registry")

#: How long what Redis said of the actors is believed (seconds), and how soon an unknown name makes us ask again.
BELIEVED_S, ASK_AGAIN_S = 30.0, 1.0

#: Options of actors that producers and operators may want to know; the others are functions and classes.
_TOLD = (
    "max_attempts", "max_retries", "backoff", "backoff_base_ms", "backoff_cap_ms", "min_backoff", "max_backoff",
    "time_limit", "max_age",
)  # fmt: skip


def published(actor: Actor[Any, Any], contract: Contract | None) -> dict[str, Any]:
    """What is published of an actor: ``{"queue", "priority", "options"}``, with a contract also ``{"schema",
    "payload_version"}``."""
    options = {name: actor.options[name] for name in _TOLD if actor.options.get(name) is not None}
    told = {"queue": actor.queue_name, "priority": actor.priority, "options": options}
    return told if contract is None else {**told, **contract.published()}


@dataclass(frozen=True, slots=True)
class PublishedActor:
    """An actor as producers know it. ``schema`` is None when it takes anything."""

    name: str
    queue: str
    priority: int
    options: dict[str, Any]
    schema: dict[str, Any] | None
    takes: PublishedSchema | None


class ActorRegistry:
    """What workers have published of each actor."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._actors: dict[str, PublishedActor] = {}
        #: Compiled schemas, to be kept while they are the same.
        self._compiled: dict[str, PublishedSchema | None] = {}
        self._asked = float("-inf")

    def all(self) -> list[PublishedActor]:
        """Every published actor, by name, as Redis has them now.

        Raises: StoreUnavailable.
        """
        with self._lock:
            self._refresh()
        return [self._actors[name] for name in sorted(self._actors)]

    def find(self, actor: str, queue: str) -> PublishedActor:
        """What is published of ``actor``.

        Raises: UnknownActor when no worker published it, or it belongs to another queue; StoreUnavailable.
        """
        now = time.monotonic()
        known = self._actors.get(actor)
        age = now - self._asked
        if age > BELIEVED_S or (known is None and age > ASK_AGAIN_S):
            with self._lock:
                self._refresh()
            known = self._actors.get(actor)
        if known is None:
            names = ", ".join(sorted(self._actors)) or "none: no worker has started yet"
            raise UnknownActor(f"unknown actor {actor!r}; workers have published: {names}")
        if known.queue != queue:
            raise UnknownActor(f"actor {actor!r} runs on queue {known.queue!r}, not on {queue!r}")
        return known

    def takes(self, queue: str, actor: str) -> PublishedSchema | None:
        """What ``actor`` takes; None when that is not known. Raises: StoreUnavailable."""
        try:
            return self.find(actor, queue).takes
        except UnknownActor:
            return None

    def admit(
        self,
        spec: QueueSpec,
        actor: str,
        payload: dict[str, Any],
        options: Mapping[str, Any],
        job_id: str,
        *,
        delay_ms: float | None = None,
        run_at: datetime | None = None,
        timestamp: int | None = None,
    ) -> NewJob:
        """Let a job by name through the door, as what is published of its actor says. Arguments: those of the door.

        Raises: UnknownActor; as ``door.admit``; StoreUnavailable.
        """
        published = self.find(actor, spec.name)
        return admit(
            spec, actor, (), payload, options, job_id, actor_priority=published.priority, takes=published.takes,
            delay_ms=delay_ms, run_at=run_at, timestamp=timestamp,
        )  # fmt: skip

    def _refresh(self) -> None:
        """Ask Redis. Call with the lock held."""
        found = fleet.actors(self._store)
        keys = {name: f"{name} {schema_key(told)}" for name, told in found.items()}
        self._compiled = {
            keys[name]: self._compiled[keys[name]] if keys[name] in self._compiled else _compiled(name, told)
            for name, told in found.items()
        }
        self._actors = {
            name: PublishedActor(
                name, told["queue"], told.get("priority", 0), told.get("options", {}), told.get("schema"),
                self._compiled[keys[name]],
            )
            for name, told in found.items()
        }  # fmt: skip
        self._asked = time.monotonic()


def _compiled(name: str, told: dict[str, Any]) -> PublishedSchema | None:
    if "schema" not in told:
        return None
    try:
        return PublishedSchema(name, told["schema"], told.get(VERSION_OPTION, 1))
    except ValueError as error:
        # A worker of another version wrote it; its payloads are checked there.
        logger.warning("the schema of actor %s cannot be read; its payloads are not checked here: %s", name, error)
        return None
