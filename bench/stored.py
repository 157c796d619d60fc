"""A queue with jobs in every state, made by the engine's own verbs: what steering and scrapes are measured on."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.context import Context
from bench.systems import QUEUE
from callboard.ids import pack_id
from callboard.service import JobSpec, QueueService
from callboard.settings import Settings
from callboard.verbs import fleet
from callboard.verbs.cycle import MAX_FETCH, MAX_FINISHES, CycleRequest, cycle_call, cycle_reply, policy
from callboard.verbs.telling import Holder

ACTOR = f"noop.{QUEUE}"
WORKER = "bench-worker"

#: Keeps whatever the measurements put there.
_KEEPS_ALL = {"max_length": None, "keep_completed": 1_000_000, "keep_failed": 1_000_000}
QUEUES = {QUEUE: _KEEPS_ALL}

_ERROR = {
    "type": "SMTPServerDisconnected",
    "message": "Connection unexpectedly closed while the recipients were being told",
    "traceback": "Traceback (most recent call last):\n" + '  File "actors/mail.py", line 12, in send\n' * 12,
}

#: Jobs added by one call: the results of a call are kept until its end.
_SLICE = 15_000


class StoredQueue:
    """One queue. Jobs are named by state and number: ``waiting-0``, ``waiting-1``, …"""

    def __init__(self, context: Context, name: str = QUEUE) -> None:
        """``name``: of the queue; one of the platform's ten, or another."""
        settings = Settings.model_validate({"redis_url": context.server.url, "queues": {name: _KEEPS_ALL}})
        self.name = name
        self._actor = f"noop.{name}"
        self.service = QueueService(settings)
        self.store = self.service.store
        self.spec = settings.catalogue[name]
        self._payloads = itertools.cycle(json.loads(context.payloads.read_text()))
        self._calls = itertools.count(1)
        fleet.publish(self.store, {self._actor: {"queue": name, "priority": 0}})

    def close(self) -> None:
        """Close the connections to Redis."""
        self.service.close()

    def add(self, name: str, jobs: int, **spec: Any) -> None:
        """Add ``name-0`` … waiting, or as ``spec`` (fields of a JobSpec) says."""
        for some in _slices(jobs):
            jobs_of = [JobSpec(self._actor, next(self._payloads), id=f"{name}-{i}", **spec) for i in some]
            self.service.add_jobs(self.name, jobs_of)

    def add_delayed(self, jobs: int) -> None:
        """Add ``delayed-0`` …, all for tomorrow."""
        self.add("delayed", jobs, run_at=datetime.now(UTC) + timedelta(days=1))

    def add_active(self, jobs: int) -> list[Holder]:
        """Jobs that run, and who holds each."""
        self.add("active", jobs, options={"priority": 1})
        held: list[Holder] = []
        while len(held) < jobs:
            held += self._fetch(min(MAX_FETCH, jobs - len(held)))
        return held

    def add_ended(self, state: str, jobs: int) -> None:
        """Add ``completed-0`` … or ``failed-0`` …: added, run and ended before anything else of the queue."""
        self.add(state, jobs, options={"priority": 1})
        outcome, extra = ("c", None) if state == "completed" else ("f", {"error": list(_ERROR.values())})
        left = jobs
        while left:
            held = self._fetch(min(MAX_FINISHES, left))
            finishes = [(holder.stored_id, holder.number, outcome, 12, extra) for holder in held]
            self._cycle(CycleRequest(self.name, next(self._calls), finishes))
            left -= len(held)

    def _fetch(self, jobs: int) -> list[Holder]:
        number = next(self._calls)
        reply = self._cycle(CycleRequest(self.name, number, at_once=jobs))
        return [Holder(self.name, stored.decode(), WORKER, number) for stored in reply.jobs[::3]]

    def _cycle(self, request: CycleRequest) -> Any:
        return cycle_reply(self.store.call(*cycle_call(WORKER, request, policy(self.spec, self.store.settings))))

    def completed(self) -> int:
        """Jobs of the queue that ever completed."""
        return int(self.store.execute("HGET", self.store.key(self.name, "totals"), "completed") or 0)


def stored_id(name: str) -> str:
    """How Redis names a job."""
    return pack_id(name)


def _slices(jobs: int) -> Iterator[range]:
    for start in range(0, jobs, _SLICE):
        yield range(start, min(start + _SLICE, jobs))
