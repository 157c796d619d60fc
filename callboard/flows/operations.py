"""What ``QueueService`` offers on flows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from callboard.catalogue import Catalogue
from callboard.flows import steering, tree
from callboard.flows.adding import add_flow
from callboard.flows.plan import Step
from callboard.flows.tree import FlowNode
from callboard.store.store import Store
from callboard.verbs.add import NewJob


@dataclass(frozen=True, slots=True)
class FlowResult:
    """What became of a flow of so many ``jobs``: ``id`` and ``queue`` are those of its last one, which stands for the
    whole. ``status`` is "added", or "duplicate" when a job of that id was there already: nothing was added then."""

    id: str
    queue: str
    status: Literal["added", "duplicate"]
    jobs: int


class FlowOperations(ABC):
    """Flows of a deployment. A flow is named by its last job, or by any other of its jobs."""

    catalogue: Catalogue
    store: Store

    def add_flow(self, last: Step) -> FlowResult:
        """Add a flow, made with :func:`callboard.flows.plan.step`, ``chain`` and ``group``, as a whole or not at all.

        Every job of it is checked as by ``add_job`` before the first is added. Jobs that wait for others are
        ``blocked`` until these have ended.

        Raises: InvalidFlow; as ``add_job``. Nothing was added then.
        """
        ids, added = add_flow(self.store, self.catalogue, last, self._admit_step)
        return FlowResult(ids[id(last)], last.queue, "added" if added else "duplicate", len(ids))

    def get_flow(self, queue: str, job_id: str, limit: int = 1_000) -> FlowNode:
        """The flow that a job belongs to, as a tree of jobs with their states, at most ``limit`` jobs of it.

        Raises: JobNotFound.
        """
        return tree.get_flow(self.store, self.catalogue[queue].name, job_id, limit)

    def cancel_flow(self, queue: str, job_id: str, reason: str = "") -> int:
        """Cancel every job of a flow that has not ended. Returns: how many. Raises: JobNotFound."""
        return steering.cancel_flow(self.store, self.catalogue, self.catalogue[queue].name, job_id, reason)

    def retry_flow(self, queue: str, job_id: str, *, reset_attempts: bool = False) -> int:
        """Let every failed and cancelled job of a flow run again. Returns: how many. Raises: JobNotFound."""
        name = self.catalogue[queue].name
        return steering.retry_flow(self.store, self.catalogue, name, job_id, reset_attempts=reset_attempts)

    def remove_flow(self, queue: str, job_id: str, *, force: bool = False) -> int:
        """Remove every job of a flow. Returns: how many.

        Raises: JobNotFound; WrongState while one of them is active, unless forced: it is cancelled first then.
        """
        return steering.remove_flow(self.store, self.catalogue, self.catalogue[queue].name, job_id, force=force)

    @abstractmethod
    def _admit_step(self, step: Step) -> tuple[str, NewJob]:
        """Check a step as a job of its own. Returns: its id, and the job to add. Raises: as ``add_job``."""
