"""Delivery of outboxes: messages that a finish left for other queues reach them once and in order.

A message waits in its source queue's outbox, written by the same script that committed the finish. Any worker process
delivers it: read from the head, add to the target under the source's numbers, then end it at the source. The target
keeps the last number per source and passes over what it has, so delivering twice adds once, even long after the job has
been trimmed. A message that its target refuses for good ends with its reason and blocks nothing.
"""

from __future__ import annotations

import logging
from typing import Any

from callboard.catalogue import Catalogue
from callboard.errors import BadRequest, CallboardError, QueueClosed, QueueFull, StoreRefused, StoreUnavailable
from callboard.packing import pack, unpack
from callboard.store.store import Store
from callboard.verbs.add import MAX_BATCH_BYTES, MAX_BATCH_JOBS, deliver

logger = logging.getLogger("callboard.outbox")

#: Messages read from an outbox at once.
_READ = 200


def deliver_outbox(store: Store, catalogue: Catalogue, source: str) -> int:
    """Deliver what is in the outbox of ``source``; targets that cannot be reached now are left for later.

    Returns: how many messages ended. Raises: StoreUnavailable when the source itself cannot be reached.
    """
    after, ended = 0, 0
    unreachable: set[str] = set()
    while True:
        rows = store.call("outbox_read", source, (after, _READ))
        if not rows:
            return ended
        messages = [unpack(row) for row in rows]
        after = messages[-1][0]
        by_target: dict[str, list[list[Any]]] = {}
        for message in messages:
            by_target.setdefault(message[1].decode(), []).append(message)
        for target, for_target in by_target.items():
            if target in unreachable:
                continue
            try:
                ended += _deliver_to(store, catalogue, source, target, for_target)
            except (StoreUnavailable, StoreRefused) as error:
                logger.warning("outbox of %s: %s cannot be reached now: %s", source, target, error)
                unreachable.add(target)


def _deliver_to(store: Store, catalogue: Catalogue, source: str, target: str, messages: list[list[Any]]) -> int:
    ended = 0
    while messages:
        batch: list[list[Any]] = []
        size = 0
        while messages and len(batch) < MAX_BATCH_JOBS and (not batch or size + len(messages[0][3]) <= MAX_BATCH_BYTES):
            size += len(messages[0][3])
            batch.append(messages.pop(0))
        refused = _deliver_batch(store, catalogue, source, target, batch)
        numbers = pack([message[0] for message in batch])
        # Redis' cmsgpack does not know the type that msgpack has for bytes.
        packed = pack(refused)
        ended += store.call("outbox_end", source, (numbers, packed, store.settings.events_max))
    return ended


def _deliver_batch(
    store: Store, catalogue: Catalogue, source: str, target: str, batch: list[list[Any]]
) -> list[tuple[bytes, str]]:
    """Add a batch to its target. Returns: (id, reason) of the messages that the target refuses for good."""
    rows = [(m[2], m[3], m[4], m[5], 0, m[6], m[0]) for m in batch]
    try:
        deliver(store, catalogue[target], source, rows)
    except QueueFull as error:
        if len(batch) > 1:
            # A batch is added as a whole or not at all: one by one, those that fit are taken.
            return [refused for m in batch for refused in _deliver_batch(store, catalogue, source, target, [m])]
        return _refused(source, target, batch, error)
    except (QueueClosed, BadRequest) as error:
        return _refused(source, target, batch, error)
    return []


def _refused(source: str, target: str, batch: list[list[Any]], error: CallboardError) -> list[tuple[bytes, str]]:
    logger.error("outbox of %s: %d messages for %s were refused: %s", source, len(batch), target, error)
    return [(m[2], str(error)) for m in batch]
