"""Jobs that have not started, or cannot end here any more, go back to their queue."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from callboard.store.store import Store
from callboard.verbs.leases import release_call
from callboard.worker.job import Job

logger = logging.getLogger("callboard.release")

#: Jobs given back in one script call.
_MOST = 500


def release(store: Store, worker_id: str, queue: str, jobs: Sequence[Job]) -> int:
    """Give jobs of ``queue`` back, at no cost to them. Never raises.

    Returns: how many went back; those that belong to another worker by now did not.
    """
    held = [(job.stored_id, job.number) for job in jobs]
    released = 0
    try:
        for first in range(0, len(held), _MOST):
            released += store.call(*release_call(worker_id, queue, held[first : first + _MOST])).count(b"1")
    except Exception as error:  # noqa: BLE001 - whatever it was, they must not be held for ever
        # They were never started: when their lease runs out they go back uncounted.
        logger.warning("could not give %d jobs of %s back: %s", len(held) - released, queue, error)
    return released
