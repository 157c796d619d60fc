"""The jobs' states, followed through the queues' event streams while they change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from callboard import QueueService
from callboard.ids import unpack_id
from callboard.keys import queue_key
from callboard.verbs.looking import QueueStats

#: Events after which nothing more happens to a job.
ENDS = frozenset({"completed", "failed", "cancelled"})

#: Event -> the state that a job has after it; others change none.
_STATE_AFTER = {"added": "waiting", "delayed": "delayed", "active": "active", "retried": "delayed"}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that one script did to some jobs of a queue, in the order in which it did it."""

    #: ms since the epoch by Redis' clock.
    at_ms: int
    queue: str
    kind: str
    job_ids: tuple[str, ...]


class Board:
    """What has happened so far, and how many jobs are in which state."""

    def __init__(self, service: QueueService) -> None:
        self._service = service
        self._read_to = dict.fromkeys(service.catalogue, "-")
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
            state = event.kind if event.kind in ENDS else _STATE_AFTER.get(event.kind)
            if state is not None:
                self.states.update(dict.fromkeys(event.job_ids, state))
        self.events += fresh
        self.stats = self._service.get_all_queue_stats()
        return fresh

    def count(self, kind: str, job_ids: Iterable[str]) -> int:
        """How many of ``job_ids`` are in state ``kind``."""
        return sum(self.states.get(job_id) == kind for job_id in job_ids)

    def ended(self, job_ids: Iterable[str]) -> int:
        """How many of ``job_ids`` have ended, well or not."""
        return sum(self.states.get(job_id) in ENDS for job_id in job_ids)

    def _read(self, queue: str) -> list[Event]:
        key = queue_key(self._service.settings.prefix, queue, "events")
        events = []
        for stream_id, flat in self._service.store.execute("XRANGE", key, self._read_to[queue], "+"):
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            ids = fields[b"ids"].decode().split(",") if fields[b"ids"] else []
            at = int(stream_id.partition(b"-")[0])
            events.append(Event(at, queue, fields[b"type"].decode(), tuple(unpack_id(each) for each in ids)))
            self._read_to[queue] = f"({stream_id.decode()}"
        return events
