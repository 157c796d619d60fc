"""Plans of flows: what is to run, and what waits for what. Nothing here touches Redis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from callboard.errors import InvalidFlow

#: What a child's failure (or cancel) does: fail its parent, nothing, or be told to the parent, which runs.
IfFails = Literal["fail", "ignore", "report"]

#: Jobs of one flow, and children of one job other than the root, at most.
MAX_JOBS, MAX_CHILDREN = 100_000, 1_000


@dataclass(eq=False, slots=True)
class Step:
    """One job of a flow. ``after``: the steps that it waits for. Made by :func:`step`, put together by :func:`chain`
    and :func:`group`."""

    queue: str
    actor: str
    payload: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    if_fails: IfFails = "fail"
    delay: float | None = None
    run_at: datetime | None = None
    options: dict[str, Any] = field(default_factory=dict)
    after: list[Step] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.queue}/{self.actor}" + (f" ({self.id})" if self.id else "")


def step(
    queue: str,
    actor: str,
    payload: dict[str, Any] | None = None,
    *,
    id: str | None = None,
    if_fails: IfFails = "fail",
    delay: float | None = None,
    run_at: datetime | None = None,
    **options: Any,
) -> Step:
    """A job of a flow, with the options of :meth:`callboard.QueueService.add_job`.

    ``if_fails`` says what its failure does to what waits for it: ``fail`` it, nothing (``ignore``), or let it run and
    tell it (``report``: see ``current_job().failed_children()``). A ``delay`` counts from when the flow is added, and a
    step that waits for others starts at the later of both.

    Raises: InvalidFlow for another ``if_fails``.
    """
    if if_fails not in ("fail", "ignore", "report"):
        raise InvalidFlow(f"if_fails {if_fails!r} is none of fail, ignore, report")
    return Step(queue, actor, {} if payload is None else payload, id, if_fails, delay, run_at, options)


def chain(*steps: Step) -> Step:
    """One after the other: each step begins when the one before it has completed, and may ask for its result
    (``current_job().previous_result()``).

    A step may be a flow itself: its first jobs wait, its last job is waited for.

    Returns: the last step, which stands for the whole.
    Raises: InvalidFlow without any step.
    """
    if not steps:
        raise InvalidFlow("a chain has at least one step")
    for before, following in pairwise(steps):
        _check_step(before)
        for first in _firsts(_check_step(following)):
            first.after.append(before)
    return _check_step(steps[-1])


def group(*steps: Step, then: Step) -> Step:
    """All at once; ``then`` begins when all of them have ended, once.

    Returns: ``then``, which stands for the whole.
    Raises: InvalidFlow without any step, or without ``then``.
    """
    if not steps:
        raise InvalidFlow("a group has at least one step")
    for each in steps:
        _check_step(each)
    if not isinstance(then, Step):
        raise InvalidFlow("a group needs `then`: the step that follows it, the parent of its steps")
    for first in _firsts(then):
        first.after.extend(steps)
    return then


def steps_of(root: Step) -> list[Step]:
    """Every step of a flow, once; each comes before those that it waits for.

    Raises: InvalidFlow for a circle, for more than 100,000 jobs, for an id that is there twice, or for more than 1,000
    children of a job that is not the root.
    """
    _check_step(root)
    done: dict[int, Step] = {}
    open_steps: set[int] = set()
    stack: list[tuple[Step, Iterator[Step]]] = [(root, iter(root.after))]
    open_steps.add(id(root))
    while stack:
        current, rest = stack[-1]
        following = next(rest, None)
        if following is None:
            stack.pop()
            open_steps.discard(id(current))
            done[id(current)] = current
            continue
        if id(following) in open_steps:
            raise InvalidFlow(f"the flow goes in a circle: {following} waits for itself")
        if id(following) not in done:
            open_steps.add(id(following))
            stack.append((_check_step(following), iter(following.after)))
            if len(done) + len(stack) > MAX_JOBS:
                raise InvalidFlow(f"a flow has at most {MAX_JOBS:,} jobs")
    found = list(reversed(done.values()))
    _check_ids(found)
    for each in found:
        if each is not root and len(each.after) > MAX_CHILDREN:
            number = len(each.after)
            raise InvalidFlow(f"{each} waits for {number:,} jobs; only the last job may for more than {MAX_CHILDREN:,}")
    return found


def _check_ids(found: list[Step]) -> None:
    named = [(each.queue, each.id) for each in found if each.id is not None]
    if len(set(named)) < len(named):
        twice = next(f"{queue}/{job_id}" for queue, job_id in named if named.count((queue, job_id)) > 1)
        raise InvalidFlow(f"the id {twice} is in the flow twice")


def _check_step(given: Any) -> Step:
    if not isinstance(given, Step):
        raise InvalidFlow(f"a flow is made of step(…), chain(…) and group(…), not of {type(given).__name__}")
    return given


def _firsts(last: Step) -> list[Step]:
    """The steps of a flow that wait for nothing."""
    found, seen, stack = [], set(), [last]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if not current.after:
            found.append(current)
        stack += current.after
    return found
