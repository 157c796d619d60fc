"""An operator at one queue: jobs brought into any state, verbs by their names."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from callboard.codec import encode_payload
from callboard.ids import pack_id
from callboard.service import QueueService
from tests.support.engine import Engine, Worker

HOUR = 3_600_000

#: Every place that a job can be in, and the state that callers see.
PLACES = {
    "waiting": "waiting", "held": "waiting", "delayed": "delayed", "blocked": "blocked", "active": "active",
    "completed": "completed", "failed": "failed", "cancelled": "cancelled",
}  # fmt: skip

#: What an attempt that ends in a state tells.
_ENDS: dict[str, tuple[str, dict[str, Any]]] = {
    "completed": ("c", {"result": b"1"}),
    "failed": ("f", {"reason": "it broke", "error": ("Broken", "it broke", "Traceback: of it")}),
    "cancelled": ("x", {"reason": "not wanted"}),
}


class Desk:
    """The Queue service on the engine's queue ``q``, with a worker that does as it is told."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.service = QueueService(engine.store.settings, store=engine.store)
        self.worker: Worker = engine.worker()
        self._numbers = itertools.count(1)

    def put(self, place: str, job_id: str = "", **job: Any) -> str:
        """A job in ``place``, with a neighbour's traces nowhere. Returns its id."""
        job_id = job_id or f"{place}-{next(self._numbers)}"
        stored = pack_id(job_id)
        given = {"payload": payload(n=1), **job}
        if place == "delayed":
            given["delay"] = given.get("delay", HOUR)
        self.engine.add(stored, **{"priority": 1 if place in (*_ENDS, "active") else 5, **given})
        if place in ("held", "blocked"):
            self._move(stored, place)
        if place == "active" or place in _ENDS:
            assert self.worker.fetch() == [stored]
        if place in _ENDS:
            outcome, extra = _ENDS[place]
            assert self.worker.finish(stored, outcome, **extra) == "1"
        return job_id

    def _move(self, stored: str, place: str) -> None:
        """To where no verb of today brings it."""
        score = self.engine.do("ZSCORE", "waiting", stored)
        self.engine.do("ZREM", "waiting", stored)
        self.engine.do("ZADD", place, score, stored)
        packed = self.engine.do("HGET", "record", stored)
        self.engine.do("HSET", "record", stored, place[0].encode() + packed[1:])

    def verb(self, name: str, job_id: str) -> str:
        """Use a verb on a job, with arguments that change something."""
        service = self.service
        verbs: dict[str, Callable[[], str]] = {
            "remove": lambda: service.remove_job("q", job_id),
            "retry": lambda: service.retry_job("q", job_id),
            "promote": lambda: service.promote_job("q", job_id),
            "cancel": lambda: service.cancel_job("q", job_id, "because"),
            "reprioritise": lambda: service.reprioritise_job("q", job_id, 9),
            "reschedule": lambda: service.reschedule_job("q", job_id, delay=7200),
            "edit": lambda: service.edit_job("q", job_id, {"n": 2}),
        }
        return verbs[name]()

    def state(self, job_id: str) -> str:
        """A job's state, as callers see it."""
        return self.service.get_job("q", job_id).state

    def of(self, place: str) -> list[str]:
        """The jobs of a place, in its order."""
        return list(self.engine.snapshot().zset(place))


def payload(actor: str = "work", *, tags: tuple[str, ...] = (), **kwargs: Any) -> bytes:
    """A stored message."""
    return encode_payload(actor, (), kwargs, {"tags": tags} if tags else {}, 1)


__all__ = ["HOUR", "PLACES", "Desk", "payload"]
