"""children_ended, arrive, grow, stage, children, relatives: what flows ask of a queue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from callboard.catalogue import QueueSpec
from callboard.errors import QueueClosed
from callboard.packing import pack, unpack
from callboard.records import unpack_record
from callboard.store.store import Store

#: Kinds of messages in an outbox that are no jobs (see ``includes/outbox.lua``).
ENDED, STOP, GROW, ARRIVED = "ended", "stop", "grow", "arrived"

#: What a child's failure does to its parent: the word callers use -> the policy stored.
POLICIES = {"fail": "f", "ignore": "i", "report": "r"}

#: How an ended child is called, by the code that is stored.
OUTCOMES = {"c": "completed", "f": "failed", "x": "cancelled"}

#: Children read in one call; fewer with what they returned, which may be large.
PAGE, _PAGE_OF_VALUES = 200, 50


@dataclass(frozen=True, slots=True)
class Child:
    """One child as its parent knows it. ``outcome`` is c, f or x as in a record, '' before it ended; ``value`` the
    encoded result, or why there is none."""

    place: int
    queue: str
    stored_id: str
    outcome: str
    policy: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Relative:
    """A job with its parents as (queue, stored id)."""

    payload: bytes
    record: bytes
    parents: list[tuple[str, str]]
    has_children: bool

    @property
    def state(self) -> bytes:
        """The state's code."""
        return unpack_record(self.record).state


def children_ended(store: Store, spec: QueueSpec, source: str, rows: Sequence[Sequence[Any]]) -> int:
    """Tell the parents in queue ``spec`` of ended children: rows of the outbox of ``source``, in their order.

    Returns: the length of the outbox of ``spec``. Raises: StoreUnavailable, StoreRefused.
    """
    packed = pack([(row[0], row[2], row[7]) for row in rows])
    args = (source, packed, int(spec.fair), spec.keep_failed, store.settings.events_max)
    return int(store.call("children_ended", spec.name, args))


def arrived(store: Store, spec: QueueSpec, source: str, rows: Sequence[Sequence[Any]]) -> int:
    """Tell barriers in queue ``spec`` of jobs that completed. Returns and raises as :func:`children_ended`."""
    packed = pack([(row[0], row[2], row[7]) for row in rows])
    return int(store.call("arrive", spec.name, (source, packed)))


def stage(store: Store, queue: str, family: str, part: int, messages: Sequence[Any]) -> str:
    """Put a part of a flow aside. Returns: the field that holds it. Raises: QueueClosed."""
    field: str = store.call("stage", queue, (family, part, pack(messages))).decode()
    if not field:
        raise QueueClosed
    return field


def grow(store: Store, queue: str, row: Sequence[Any]) -> None:
    """Put the part that a message of the outbox names into the outbox."""
    store.call("grow", queue, (row[0], row[2], row[7][0]))


def children(
    store: Store, queue: str, stored_id: str, first: int = 1, limit: int = PAGE, *, values: bool = False
) -> tuple[int, int, list[Child]] | None:
    """A page of a parent's children from place ``first``: how many there are, how many have not ended, the page.

    Returns: None when the job has none.
    """
    reply = store.call("children", queue, (stored_id, first, limit, int(values)))
    if reply is None:
        return None
    page = []
    for packed in reply[2:]:
        place, of, child, outcome, policy, value = unpack(packed)
        page.append(Child(place, of.decode(), child.decode(), outcome.decode(), policy.decode(), value))
    return reply[0], reply[1], page


def all_children(store: Store, queue: str, stored_id: str, *, values: bool = False) -> Iterator[Child]:
    """Every child of a parent, in its place, read page by page."""
    first, size = 1, _PAGE_OF_VALUES if values else PAGE
    while (found := children(store, queue, stored_id, first, size, values=values)) is not None:
        yield from found[2]
        first += size
        if first > found[0]:
            return


def relatives(store: Store, queue: str, stored_ids: Sequence[str]) -> list[Relative | None]:
    """Jobs of one queue with their parents; None in the place of one that is not there."""
    flat = store.call("relatives", queue, stored_ids)
    found: list[Relative | None] = []
    for i in range(0, len(flat), 4):
        payload, record, packed, has_children = flat[i : i + 4]
        parents = [(p[0].decode(), p[1].decode()) for p in unpack(packed)] if packed else []
        found.append(None if record is None else Relative(payload or b"", record, parents, has_children == 1))
    return found
