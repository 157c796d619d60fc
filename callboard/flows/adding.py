"""Adding a flow: a plan becomes one atomic call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from callboard.catalogue import Catalogue
from callboard.errors import PayloadTooLarge, QueueFull
from callboard.flows.plan import Step, steps_of
from callboard.ids import new_id
from callboard.store.store import Store
from callboard.verbs import add, flows
from callboard.verbs.add import MAX_BATCH_BYTES, NewJob
from callboard.verbs.looking import queue_stats, stats_call

#: Messages, and bytes of them, that go with the root in one call, or into one part of a large flow. Parts are read
#: whole when old ones are looked for, so they are small.
PART_MESSAGES, PART_BYTES = 150, 256 * 1024

#: Checks a step and gives its id and the job to add.
Admit = Callable[[Step], tuple[str, NewJob]]

_Message = tuple[Any, ...]


def add_flow(store: Store, catalogue: Catalogue, root: Step, admit: Admit) -> tuple[dict[int, str], bool]:
    """Add the flow that ends with ``root``, as a whole or not at all.

    Returns: the id of each step's job by ``id(step)``, and whether it was added: False when a job of the root's id was
    there already.
    Raises: what ``admit`` raises; InvalidFlow; QueueFull, QueueClosed; PayloadTooLarge; StoreUnavailable.
    """
    steps = steps_of(root)
    admitted = {id(each): admit(each) for each in steps}
    _check_room(store, catalogue, steps)
    families = {id(each): new_id() for each in steps if each.after}
    parents: dict[int, list[_Message]] = {}
    for each in steps:
        for place, child in enumerate(each.after, 1):
            policy = flows.POLICIES[child.if_fails]
            parent = (each.queue, admitted[id(each)][1].stored_id, families[id(each)], place, policy)
            parents.setdefault(id(child), []).append(parent)

    def kin_of(each: Step, *, all_children: bool) -> _Message:
        children = [
            (child.queue, admitted[id(child)][1].stored_id, flows.POLICIES[child.if_fails]) for child in each.after
        ]
        own = parents.get(id(each), [])
        return own, families.get(id(each), ""), len(children), children if all_children else []

    messages = []
    for each in steps[1:]:
        job, kin = admitted[id(each)][1], kin_of(each, all_children=True)
        row = (job.stored_id, job.payload, job.priority, job.workspace, job.delay_ms, kin, "", job.due_ms)
        messages.append((each.queue, *row))
    parts = _parts(messages)
    spec, new = catalogue[root.queue], admitted[id(root)][1]
    if len(parts) > 1:
        family = families[id(root)]
        fields = [flows.stage(store, spec.name, family, number, part) for number, part in enumerate(parts)]
        messages = [(spec.name, new.stored_id, b"", 0, "", 0, (field,), flows.GROW, 0) for field in fields]
    added = add.add_flow(store, spec, new, kin_of(root, all_children=len(parts) <= 1), messages)
    return {key: job_id for key, (job_id, _) in admitted.items()}, added


def _parts(messages: Sequence[_Message]) -> list[list[_Message]]:
    """Messages in parts of bounded size.

    Raises: PayloadTooLarge for a job with so many children that it fits into none.
    """
    parts: list[list[_Message]] = []
    size = 0
    for message in messages:
        weight = len(message[2]) + 100 * len(message[6][3]) + 100
        if weight > MAX_BATCH_BYTES:
            raise PayloadTooLarge(f"job {message[1]} of the flow takes {weight:,} bytes with its children")
        if not parts or len(parts[-1]) == PART_MESSAGES or size + weight > PART_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(message)
        size += weight
    return parts


def _check_room(store: Store, catalogue: Catalogue, steps: Sequence[Step]) -> None:
    """Look whether each queue has room: once the flow is accepted all of it is let in.

    Raises: QueueFull.
    """
    wanted: dict[str, int] = {}
    for each in steps:
        wanted[each.queue] = wanted.get(each.queue, 0) + 1
    for name, number in wanted.items():
        most = catalogue[name].max_length
        if not most:
            continue
        verb, _, args = stats_call(name)
        stats = queue_stats(name, store.call(verb, name, args))
        if stats.waiting + stats.delayed + number > most:
            raise QueueFull(f"queue {name!r} takes {most:,} waiting and delayed jobs; the flow would bring {number:,}")
