"""Verbs on whole flows. Each may be repeated after it was interrupted: it goes on where it stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from callboard.catalogue import Catalogue
from callboard.errors import JobNotFound, WrongState
from callboard.flows.plan import MAX_JOBS
from callboard.flows.tree import FlowNode, read_tree, root_of
from callboard.ids import check_id, pack_id
from callboard.store.store import Store
from callboard.verbs import steering

_NOT_ENDED = ("waiting", "delayed", "blocked", "active")


def cancel_flow(store: Store, catalogue: Catalogue, queue: str, job_id: str, reason: str = "") -> int:
    """Cancel every job of a flow that has not ended, the last one first. Running ones are told.

    Returns: how many were cancelled or told. Raises: JobNotFound.
    """
    return sum(
        _changed(partial(steering.cancel, store, catalogue[node.queue], node.id, reason))
        for node in _whole(store, queue, job_id)
        if node.state in _NOT_ENDED
    )


def retry_flow(
    store: Store, catalogue: Catalogue, queue: str, job_id: str, *, reset_attempts: bool = False
) -> int:
    """Let every failed and cancelled job of a flow run again; what has completed stays. Jobs wait for their children as
    they did at first.

    Returns: how many jobs it let run again. Raises: JobNotFound.
    """
    return sum(
        _changed(partial(steering.retry, store, catalogue[node.queue], node.id, reset_attempts=reset_attempts))
        for node in _whole(store, queue, job_id)
        if node.state in ("failed", "cancelled")
    )


def remove_flow(store: Store, catalogue: Catalogue, queue: str, job_id: str, *, force: bool = False) -> int:
    """Remove every job of a flow, the last one last. Active ones are refused, or with ``force`` cancelled first.

    Returns: how many were removed or are about to be. Raises: JobNotFound; WrongState while a job of it is active.
    """
    return _remove_all(store, catalogue, _whole(store, queue, job_id), force=force)


def remove_below(store: Store, catalogue: Catalogue, queue: str, job_id: str, *, force: bool = False) -> int:
    """Remove the children of a job and all below them, but not the job itself. Returns and raises as
    :func:`remove_flow`."""
    _, *below = list(read_tree(store, (queue, pack_id(check_id(job_id))), MAX_JOBS).walk())
    return _remove_all(store, catalogue, below, force=force)


def _remove_all(store: Store, catalogue: Catalogue, nodes: Sequence[FlowNode], *, force: bool) -> int:
    """Remove jobs that come before their children in ``nodes``, the children first.

    Raises: WrongState when one is active, unless forced; nothing was removed then.
    """
    running = [node for node in nodes if node.state == "active"]
    if running and not force:
        one = running[0]
        raise WrongState(f"job {one.queue}/{one.id} of the flow is active: cancel it first, or force", "active")
    changed = 0
    for node in reversed(nodes):
        changed += _changed(partial(steering.remove, store, catalogue[node.queue].name, node.id, force=force))
    return changed


def _whole(store: Store, queue: str, job_id: str) -> list[FlowNode]:
    return list(read_tree(store, root_of(store, queue, job_id), MAX_JOBS).walk())


def _changed(verb: Callable[[], steering.Outcome]) -> bool:
    """Run a verb on one job. Returns: whether the job is as it was to be, also when the end of another job of the flow
    brought that about first; False when it ended or went otherwise meanwhile."""
    try:
        verb()
    except (JobNotFound, WrongState):
        return False
    return True
