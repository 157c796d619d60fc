"""A flow as data: its jobs, their states, and who waits for whom."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from callboard.codec import decode_payload
from callboard.errors import JobNotFound
from callboard.ids import check_id, pack_id, unpack_id
from callboard.records import STATES
from callboard.store.store import Store
from callboard.verbs import flows
from callboard.verbs.flows import Relative

_IF_FAILS = {stored: word for word, stored in flows.POLICIES.items()}

_Ref = tuple[str, str]


@dataclass(slots=True)
class FlowNode:
    """One job of a flow. ``state`` is that of the job, how its parent remembers its end when the job is gone, or
    "coming" when it has not reached its queue yet. ``children``: the jobs that it waits for; ``more`` of them are not
    shown."""

    queue: str
    id: str
    state: str
    actor: str
    if_fails: str = "fail"
    children: list[FlowNode] = field(default_factory=list)
    more: int = 0

    def walk(self) -> Iterator[FlowNode]:
        """This node and all below it, each job once."""
        seen: set[_Ref] = set()
        stack = [self]
        while stack:
            node = stack.pop()
            if (node.queue, node.id) not in seen:
                seen.add((node.queue, node.id))
                yield node
                stack += node.children


def get_flow(store: Store, queue: str, job_id: str, limit: int = 1_000) -> FlowNode:
    """The whole flow that a job belongs to, from its last job down, at most ``limit`` jobs of it.

    Raises: JobNotFound.
    """
    return read_tree(store, root_of(store, queue, job_id), limit)


def root_of(store: Store, queue: str, job_id: str) -> _Ref:
    """The last job of the flow that a job belongs to, as (queue, stored id); the job itself when it is in none.

    Raises: JobNotFound.
    """
    at: _Ref = (queue, pack_id(check_id(job_id)))
    found = flows.relatives(store, at[0], [at[1]])[0]
    if found is None:
        raise JobNotFound(f"no job {job_id!r} in queue {queue!r}: it never was, or its retention has passed")
    seen = {at}
    while found is not None and found.parents and found.parents[0] not in seen:
        above = found.parents[0]
        found = flows.relatives(store, above[0], [above[1]])[0]
        if found is not None:  # else it was removed: what is below it is the flow now
            at = above
            seen.add(at)
    return at


def read_tree(store: Store, root: _Ref, limit: int) -> FlowNode:
    """The flow below ``root``, level by level, until ``limit`` jobs have been read."""
    top = _node(root, flows.relatives(store, root[0], [root[1]])[0], "", "f")
    known: dict[_Ref, FlowNode] = {root: top}
    level = [(root, top)]
    while level:
        following: list[tuple[_Ref, FlowNode]] = []
        for ref, node in level:
            room = limit - len(known)
            found = flows.children(store, ref[0], ref[1], 1, max(1, room))
            if found is None:
                continue
            number, _, page = found
            page = page[: max(0, room)]
            node.more = number - len(page)
            for child, relative in _with_relatives(store, page):
                child_ref = (child.queue, child.stored_id)
                if child_ref not in known:
                    known[child_ref] = _node(child_ref, relative, child.outcome, child.policy)
                    if relative is not None and relative.has_children:
                        following.append((child_ref, known[child_ref]))
                node.children.append(known[child_ref])
        level = following
    return top


def _with_relatives(
    store: Store, page: Iterable[flows.Child]
) -> list[tuple[flows.Child, Relative | None]]:
    by_queue: dict[str, list[flows.Child]] = {}
    children = list(page)
    for child in children:
        by_queue.setdefault(child.queue, []).append(child)
    found: dict[_Ref, Relative | None] = {}
    for queue, of_queue in by_queue.items():
        for first in range(0, len(of_queue), flows.PAGE):
            ids = [child.stored_id for child in of_queue[first : first + flows.PAGE]]
            relatives = flows.relatives(store, queue, ids)
            found.update({(queue, stored): each for stored, each in zip(ids, relatives, strict=True)})
    return [(child, found[child.queue, child.stored_id]) for child in children]


def _node(ref: _Ref, found: Relative | None, outcome: str, policy: str) -> FlowNode:
    state = flows.OUTCOMES.get(outcome, "coming") if found is None else STATES[found.state]
    try:
        actor = decode_payload(found.payload)[0] if found is not None else ""
    except ValueError:
        actor = ""
    return FlowNode(ref[0], unpack_id(ref[1]), state, actor, _IF_FAILS.get(policy, policy))
