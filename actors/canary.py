"""A canary a queue: a job that only notes that it got through, each minute. When the last one to do so is old, jobs of
its queue do not get through, whatever else the figures say. ``CALLBOARD_CANARY=false`` leaves them out.

Every queue of the catalogue gets an actor ``canary_<queue>``, so each worker of the platform consumes every queue, also
those that no other job type of this tree is on. A worker that is to consume some alone is started with ``--queues``.
"""

from __future__ import annotations

from collections.abc import Callable

import dramatiq

from actors.upkeep.payload import NoPayload
from callboard.broker import CallboardBroker
from callboard.verbs.measures import note_canary


def name_of(queue: str) -> str:
    """The actor that is the canary of ``queue``."""
    return f"canary_{queue.replace('-', '_')}"


def declare_canaries(broker: CallboardBroker) -> None:
    """Give every queue of the catalogue its canary.

    Raises: ValueError when two queues are called the same but for ``-`` and ``_``.
    """
    for queue in broker.catalogue:
        # A canary that waits behind another says nothing new.
        periodic = {"cron": "* * * * *", "overlap": "skip"}
        dramatiq.actor(
            broker=broker, queue_name=queue, actor_name=name_of(queue), payload=NoPayload, max_attempts=1,
            store_results=False, periodic=periodic,
        )(_canary(broker, queue))  # fmt: skip


def _canary(broker: CallboardBroker, queue: str) -> Callable[[NoPayload], None]:
    """A function of its own for each actor: the broker replaces it by one that can be interrupted."""

    def canary(_payload: NoPayload) -> None:
        """Note that it got through: its job may be trimmed before anybody looks."""
        note_canary(broker.store, queue, name_of(queue))

    return canary


_broker = dramatiq.get_broker()
if isinstance(_broker, CallboardBroker) and _broker.settings.canary:
    declare_canaries(_broker)
