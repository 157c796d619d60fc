"""A deployment under test: a server, two queues with short leases, a ledger; and what Redis holds of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import redis

from callboard import QueueService
from callboard.ids import unpack_id
from callboard.keys import queue_key
from callboard.records import STATES, unpack_record
from callboard.settings import Settings
from callboard.verbs.fleet import publish
from tests.support.ledger import Ledger

#: Length of leases, and how often expired ones are looked for (seconds).
LEASE_S, SWEEP_S = 2.0, 0.5

_STATES = ("waiting", "held", "delayed", "blocked", "active", "completed", "failed", "cancelled")


@dataclass
class Deployment:
    """Everything that a producer, a worker and a judge of one test share."""

    url: str
    ledger: Ledger
    lease_s: float = LEASE_S
    options: dict[str, Any] = field(default_factory=dict)
    queue_options: dict[str, Any] = field(default_factory=dict)

    def _values(self, url: str) -> dict[str, Any]:
        spec = {
            "lease_ms": int(self.lease_s * 1000), "max_attempts": 3, "backoff_base_ms": 50, "backoff_cap_ms": 200,
            "keep_completed": 1_000_000, "keep_failed": 1_000_000, **self.queue_options,
        }  # fmt: skip
        return {
            "redis_url": url, "prefix": "faults", "only_queues": True, "queues": {"work": spec, "next": spec},
            "sweep_ms": int(SWEEP_S * 1000), "connect_timeout_s": 1.0, "socket_timeout_s": 2.0, "attempt_log": "off",
            "gil_watchdog": False, "metrics": False, **self.options,
        }  # fmt: skip

    def settings(self, url: str | None = None, **changes: Any) -> Settings:
        """Settings for a process that reaches Redis at ``url`` (default: directly)."""
        return Settings(**{**self._values(url or self.url), **changes})

    def env(self, url: str | None = None, **changes: Any) -> dict[str, str]:
        """The same settings as the environment of a process, and its ledger."""
        values = {**self._values(url or self.url), "gil_watchdog": True, **changes}
        redis_url = values.pop("redis_url")
        texts = {f"CALLBOARD_{k.upper()}": v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
        return {"REDIS_URL": redis_url, "FAULT_LEDGER": str(self.ledger.path), **texts}

    def service(self, url: str | None = None, **changes: Any) -> QueueService:
        """A producer's view."""
        return QueueService(self.settings(url, **changes))

    def publish(self, *actors: str) -> None:
        """Make actors of queue ``work`` known, as after the first start of a worker."""
        service = self.service()
        publish(service.store, {actor: {"queue": "work", "priority": 0} for actor in actors})
        service.close()

    def client(self) -> redis.Redis:
        """A plain client of the server itself, for looking."""
        return redis.Redis.from_url(self.url)

    def key(self, name: str, queue: str = "work") -> str:
        """The full name of a queue's key."""
        return queue_key("faults", queue, name)

    def states(self, queue: str = "work") -> dict[str, list[str]]:
        """Job ids by state, as the queue's zsets have them."""
        with self.client() as client, client.pipeline() as at_one_moment:
            for name in _STATES:
                at_one_moment.zrange(self.key(name, queue), 0, -1)
            rows = dict(zip(_STATES, at_one_moment.execute(), strict=True))
        return {name: [unpack_id(each.decode()) for each in ids] for name, ids in rows.items()}

    def records(self, queue: str = "work") -> dict[str, Any]:
        """The packed records of all jobs of a queue, read."""
        with self.client() as client:
            rows = client.hgetall(self.key("record", queue))
        return {unpack_id(stored.decode()): unpack_record(packed) for stored, packed in rows.items()}

    def held_by(self, worker_id: str, queue: str = "work") -> set[str]:
        """The jobs that Redis holds for a worker."""
        wanted = worker_id.encode()
        return {i for i, r in self.records(queue).items() if STATES[r.state] == "active" and r.worker == wanted}

    def totals(self, queue: str = "work") -> dict[str, int]:
        """The queue's totals."""
        with self.client() as client:
            return {name.decode(): int(n) for name, n in client.hgetall(self.key("totals", queue)).items()}

    def pending(self, queue: str = "work") -> int:
        """How many jobs are waiting, delayed or active."""
        with self.client() as client, client.pipeline() as at_one_moment:
            for name in ("waiting", "held", "delayed", "active"):
                at_one_moment.zcard(self.key(name, queue))
            return sum(at_one_moment.execute())
