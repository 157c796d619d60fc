"""The jobs' states, followed through the queues' event streams while they change."""

from __future__ import annotations

from collections.abc import Iterable

from callboard import QueueService
from callboard.verbs.looking import QueueStats
from callboard.verbs.telling import MAX_EVENTS, Event

#: Events after which nothing more happens to a job.
ENDS = frozenset({"completed", "failed", "cancelled"})

#: Event -> the state that a job has after it; others change none.
_STATE_AFTER = {"added": "waiting", "delayed": "delayed", "active": "active", "retried": "delayed"}


class Board:
    """What has happened so far, and how many jobs are in which state."""

    def __init__(self, service: QueueService) -> None:
        self._service = service
        self._read_to = dict.fromkeys(service.catalogue, "0")
        #: Everything so far, by queue in exact order.
        self.events: list[Event] = []
        self.stats: list[QueueStats] = []
        #: Job id -> state, as the events tell it.
        self.states: dict[str, str] = {}

    def poll(self) -> list[Event]:
        """Read what is new; returns the new events.

        Raises: StoreUnavailable when Redis does not answer.
        """
        fresh = [event for queue in self._read_to for event in self._read(queue)]
        fresh.sort(key=lambda event: event.at_ms)  # stable: a queue's own order stays
        for event in fresh:
            state = event.type if event.type in ENDS else _STATE_AFTER.get(event.type)
            if state is not None:
                self.states.update(dict.fromkeys(event.job_ids, state))
        self.events += fresh
        self.stats = self._service.get_all_queue_stats()
        return fresh

    def count(self, state: str, job_ids: Iterable[str]) -> int:
        """How many of ``job_ids`` are in ``state``."""
        return sum(self.states.get(job_id) == state for job_id in job_ids)

    def ended(self, job_ids: Iterable[str]) -> int:
        """How many of ``job_ids`` have ended, well or not."""
        return sum(self.states.get(job_id) in ENDS for job_id in job_ids)

    def _read(self, queue: str) -> list[Event]:
        # What does not fit one call comes with the next poll.
        found = self._service.get_events(queue, self._read_to[queue], MAX_EVENTS)
        if found:
            self._read_to[queue] = found[-1].id
        return found
