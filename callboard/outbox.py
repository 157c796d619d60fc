"""Delivery of outboxes: messages that a script left for other queues reach them once and in order.

A message waits in its source queue's outbox, written by the same script that committed what brought it about. Any
worker process delivers it: read from the head, hand to the target under the source's numbers, then end it at the
source. The target keeps the last number per source and passes over what it has, so delivering twice takes effect once,
even long after a job has been trimmed. A message that its target refuses for good ends with its reason and blocks
nothing.

Most messages are jobs. The others (``verbs/includes/outbox.lua`` has the kinds) belong to flows.
"""

from __future__ import annotations

import logging
import time
from itertools import groupby
from typing import Any

from callboard.catalogue import Catalogue, QueueSpec
from callboard.errors import BadRequest, CallboardError, QueueClosed, QueueFull, StoreRefused, StoreUnavailable
from callboard.ids import unpack_id
from callboard.packing import pack, unpack
from callboard.store.store import Store
from callboard.verbs import flows, steering
from callboard.verbs.add import MAX_BATCH_BYTES, MAX_BATCH_JOBS, deliver

logger = logging.getLogger("callboard.outbox")

#: Messages read from an outbox at once.
_READ = 200

#: Outboxes that are followed from one call: a chain of parents that fail goes through as many queues.
_FOLLOWED = 100

#: How long a message that stops a family waits for children that are still on their way (ms).
_STOP_FOR_MS = 60_000

#: A message: number, target, id, payload, priority, workspace, due (ms), kin, kind.
_Row = list[Any]

#: Kinds about the source itself: they are dealt with when all before them has been delivered.
_OWN = (flows.STOP, flows.GROW)


def deliver_outbox(store: Store, catalogue: Catalogue, source: str, within_s: float = float("inf")) -> int:
    """Deliver what is in the outbox of ``source``, and in those that this fills; targets that cannot be reached now are
    left for later, and so is what remains after ``within_s`` seconds.

    Returns: how many messages ended. Raises: StoreUnavailable when the source itself cannot be reached.
    """
    ended, following, followed = 0, [source], 0
    until = time.monotonic() + within_s
    while following and followed < _FOLLOWED and time.monotonic() < until:
        delivery = _Delivery(store, catalogue, following.pop(), until)
        ended += delivery.run()
        following += sorted(delivery.filled - set(following))
        followed += 1
    return ended


class _Delivery:
    """One pass through the outbox of a queue. ``filled``: queues whose outboxes have got messages by it."""

    def __init__(self, store: Store, catalogue: Catalogue, source: str, until: float) -> None:
        """``until``: when to leave the rest for later (monotonic seconds)."""
        self._store = store
        self._catalogue = catalogue
        self._source = source
        self._until = until
        self._unreachable: set[str] = set()
        self._now_ms = 0
        self.filled: set[str] = set()

    def run(self) -> int:
        """Deliver. Returns: how many messages ended."""
        after, ended = 0, 0
        while time.monotonic() < self._until:
            self._now_ms, *packed = self._store.call("outbox_read", self._source, (after, _READ))
            if not packed:
                break
            rows = [_read(row) for row in packed]
            after = rows[-1][0]
            for own, part in groupby(rows, key=lambda row: row[8] in _OWN):
                deal = self._deal_with_own if own else self._deliver
                ended += deal(list(part))
        return ended

    def _deliver(self, rows: list[_Row]) -> int:
        ended = 0
        by_target: dict[str, list[_Row]] = {}
        for row in rows:
            by_target.setdefault(row[1], []).append(row)
        for target, for_target in by_target.items():
            if target in self._unreachable:
                continue
            try:
                for batch in _batches(for_target):
                    ended += self._end(batch, self._deliver_batch(target, batch))
            except (StoreUnavailable, StoreRefused) as error:
                logger.warning("outbox of %s: %s cannot be reached now: %s", self._source, target, error)
                self._unreachable.add(target)
        return ended

    def _end(self, batch: list[_Row], refused: list[tuple[int, str, str]]) -> int:
        args = (pack([row[0] for row in batch]), pack(refused), self._store.settings.events_max)
        ended: int = self._store.call("outbox_end", self._source, args)
        if refused:
            self.filled.add(self._source)
        return ended

    def _deliver_batch(self, target: str, batch: list[_Row]) -> list[tuple[int, str, str]]:
        """Hand a batch of one kind to its target. Returns: (number, id, reason) of the messages that it refuses for
        good."""
        try:
            spec = self._catalogue[target]
            if kind := batch[0][8]:
                tell = flows.children_ended if kind == flows.ENDED else flows.arrived
                if tell(self._store, spec, self._source, batch):
                    self.filled.add(target)
                return []
            self._add(spec, batch)
        except QueueFull as error:
            if len(batch) > 1:
                # A batch is added as a whole or not at all: one by one, those that fit are taken.
                return [refused for row in batch for refused in self._deliver_batch(target, [row])]
            return self._refused(target, batch, error)
        except (QueueClosed, BadRequest) as error:
            return self._refused(target, batch, error)
        return []

    def _add(self, spec: QueueSpec, batch: list[_Row]) -> None:
        rows = [(row[2], row[3], row[4], row[5], 0, row[6], row[0], row[7]) for row in batch]
        codes = deliver(self._store, spec, self._source, rows)
        if any(row[7] and code == "0" for row, code in zip(batch, codes, strict=True)):
            self.filled.add(spec.name)

    def _refused(self, target: str, batch: list[_Row], error: CallboardError) -> list[tuple[int, str, str]]:
        logger.error("outbox of %s: %d messages for %s were refused: %s", self._source, len(batch), target, error)
        return [(row[0], row[2], str(error)) for row in batch]

    def _deal_with_own(self, rows: list[_Row]) -> int:
        ended = 0
        for row in rows:
            if row[8] == flows.GROW:
                flows.grow(self._store, self._source, row)
                ended += 1
            elif self._stop_family(row):
                ended += self._end([row], [])
        return ended

    def _stop_family(self, row: _Row) -> bool:
        """Cancel the children of a parent that was cancelled. Returns: whether all have heard of it.

        A child may still be on its way to its queue: it is waited for, within reason.
        """
        heard = True
        for child in flows.all_children(self._store, self._source, row[2]):
            if child.outcome or child.queue not in self._catalogue:
                continue
            try:
                spec = self._catalogue[child.queue]
                heard = steering.cancel_stored(self._store, spec, child.stored_id, "its parent was cancelled") and heard
                self.filled.add(child.queue)
            except (StoreUnavailable, StoreRefused) as error:
                logger.warning("job %s/%s cannot be cancelled now: %s", child.queue, unpack_id(child.stored_id), error)
                heard = False
        # A message's number is the time in microseconds at which it was written.
        return heard or self._now_ms - row[0] / 1e3 > _STOP_FOR_MS


def _read(packed: bytes) -> _Row:
    row = unpack(packed)
    row[1], row[2], row[5] = row[1].decode(), row[2].decode(), row[5].decode()
    kin, kind = row[7:] if len(row) > 7 else ((), b"")
    return [*row[:7], kin or (), kind.decode()]


def _batches(rows: list[_Row]) -> list[list[_Row]]:
    """Rows for one target, cut where the kind changes and a batch is full."""
    batches: list[list[_Row]] = []
    size = 0
    for row in rows:
        weight = _weight(row)
        last = batches[-1] if batches else None
        if last is None or last[0][8] != row[8] or len(last) == MAX_BATCH_JOBS or size + weight > MAX_BATCH_BYTES:
            batches.append([row])
            size = weight
        else:
            last.append(row)
            size += weight
    return batches


def _weight(row: _Row) -> int:
    """About how many bytes a message takes."""
    if row[8] == flows.ENDED:
        return len(row[7][3])
    return len(row[3]) + (50 * len(row[7][3]) if row[7] and not row[8] else 0)
