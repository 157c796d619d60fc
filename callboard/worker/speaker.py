"""How running jobs speak to Redis: every word carries the attempt's token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from callboard.errors import JobNotFound, LeaseLost, WrongState
from callboard.flows.ends import ChildEnd, read_ends
from callboard.store.store import Store
from callboard.verbs import telling
from callboard.verbs.telling import Holder
from callboard.worker.job import Job


class StoreSpeaker:
    """A :class:`callboard.current.Speaker` on a store. ``worker_id`` gives the id of this process."""

    def __init__(self, store: Store, worker_id: Callable[[], str]) -> None:
        self._store = store
        self._worker_id = worker_id

    def progress(self, job: Job, value: float | Mapping[str, Any]) -> None:
        """See Speaker."""
        with _lease_checked():
            telling.tell_progress(self._store, self._holder(job), dict(value) if isinstance(value, Mapping) else value)

    def log(self, job: Job, line: str) -> None:
        """See Speaker."""
        with _lease_checked():
            telling.tell_line(self._store, self._holder(job), line)

    def checkpoint(self, job: Job, name: str, value: Any) -> None:
        """See Speaker."""
        with _lease_checked():
            telling.tell_checkpoint(self._store, self._holder(job), name, value)

    def checkpoints(self, job: Job) -> dict[str, Any]:
        """See Speaker."""
        return telling.details(self._store, job.queue_name, job.message_id).checkpoints

    def children(self, job: Job) -> list[ChildEnd]:
        """See Speaker."""
        return read_ends(self._store, job.queue_name, job.stored_id)

    def _holder(self, job: Job) -> Holder:
        return Holder(job.queue_name, job.stored_id, self._worker_id(), job.number)


@contextmanager
def _lease_checked() -> Iterator[None]:
    try:
        yield
    except (WrongState, JobNotFound) as error:
        raise LeaseLost(str(error)) from error
