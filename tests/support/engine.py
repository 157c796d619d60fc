"""The engine's verbs on one queue, called as a producer and as worker processes call them, without either."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgpack

from callboard.catalogue import QueueSpec
from callboard.keys import queue_key
from callboard.records import JobView, Record
from callboard.store.store import Store
from callboard.verbs import add, looking
from callboard.verbs.cycle import CycleReply, CycleRequest, cycle_call, cycle_reply, policy
from callboard.verbs.leases import Swept, extend_call, reclaim, release_call, sweep_call, swept
from tests.support.snapshot import Snapshot, take_snapshot, warp

_numbers = itertools.count(1)


class Engine:
    """One queue of a store."""

    def __init__(self, store: Store, queue: str) -> None:
        self.store = store
        self.spec: QueueSpec = store.settings.catalogue[queue]
        self.queue = queue
        #: Whether the invariants must hold at the end of the test; false when the test itself broke them.
        self.checked = True
        self._workers = itertools.count(1)

    # What a producer does

    def add(
        self, *ids: str, priority: int = 5, workspace: str = "", delay: int = 0, due: int = 0, payload: bytes = b"{}"
    ) -> str:
        """Add jobs in one batch; times in ms. Returns one code a job."""
        return add.add(self.store, self.spec, [new_job(i, priority, workspace, delay, due, payload) for i in ids])

    def add_as(self, caller: str, number: int, *ids: str) -> list[Any]:
        """The bare script, as ``caller`` calls it for the ``number``-th time."""
        rows = msgpack.packb([new_job(job_id).row() for job_id in ids], use_bin_type=False)
        reply: list[Any] = self.store.call("add", self.queue, (caller, number, 1, 0, 1000, rows))
        return reply

    # What worker processes and the housekeeper do

    def worker(self) -> Worker:
        """A new worker process."""
        return Worker(self, f"worker-{next(self._workers):05d}")

    def sweep(self, *, gap: bool = False) -> Swept:
        """Sweep and tidy, as if the sweep before had been just now; with ``gap`` as if it had been long ago."""
        self.set_meta("swept", 0 if gap else self.now())
        self.do("HDEL", "meta", "tidied")
        return self.bare_sweep()

    def bare_sweep(self) -> Swept:
        """Sweep, whenever the one before was."""
        return swept(self.store.call(*sweep_call(self.spec, self.store.settings)))

    # What tests look at and change

    def key(self, name: str) -> str:
        """The full name of a key."""
        return queue_key(self.store.settings.prefix, self.queue, name)

    def do(self, command: str, key: str, *arguments: Any) -> Any:
        """A plain Redis command on one of the queue's keys."""
        return self.store.execute(command, self.key(key), *arguments)

    def set_meta(self, field: str, value: Any) -> None:
        """Write a field of ``meta``."""
        self.do("HSET", "meta", field, value)

    def now(self) -> int:
        """The server's time (ms since the epoch)."""
        return int(self.store.call(*looking.stats_call(self.queue))[0])

    def snapshot(self) -> Snapshot:
        """All that Redis holds of the queue."""
        return take_snapshot(self.store, self.queue)

    def warp(self, ms: int) -> None:
        """Let ``ms`` go by."""
        warp(self.store, self.queue, ms)

    def record(self, job_id: str) -> Record:
        """A job's record."""
        return self.snapshot().records[job_id]

    def job(self, job_id: str) -> JobView:
        """A job, as callers see it."""
        return looking.get_job(self.store, self.queue, job_id)

    def state(self, job_id: str) -> str:
        """A job's state."""
        return self.job(job_id).state

    def take_mark(self) -> bool:
        """Take the wake-up mark. Returns whether there was one."""
        return self.do("LPOP", "wake") is not None


class Worker:
    """One worker process: it knows the number of the fetch that got it each job."""

    def __init__(self, engine: Engine, name: str) -> None:
        assert len(name) == 12
        self.engine = engine
        self.name = name
        self.number = 0
        #: Jobs it believes it holds: id -> number of the fetch.
        self.held: dict[str, int] = {}

    def cycle(
        self,
        *finishes: tuple[Any, ...],
        at_once: int = 0,
        ahead: int = 0,
        holds: int | None = None,
        starts: Sequence[str] = (),
        number: int | None = None,
    ) -> CycleReply:
        """One cycle. A finish is (id, outcome), (id, outcome, extra) or a whole one as the script takes it."""
        number = number or self.next_number()
        whole = [self._finish(*finish) for finish in finishes]
        ended = {finish[0] for finish in whole}
        request = CycleRequest(
            self.engine.queue, number, whole, at_once, ahead,
            len(self.held.keys() - ended) if holds is None else holds, [(i, self.held[i]) for i in starts],
        )  # fmt: skip
        reply = self.send(request)
        for job_id in ended:
            self.held.pop(job_id, None)
        for job_id in fetched(reply):
            self.held[job_id] = number
        return reply

    def next_number(self) -> int:
        """The number of this worker's next cycle."""
        self.number = next(_numbers)
        return self.number

    def send(self, request: CycleRequest) -> CycleReply:
        """Send a request as it is."""
        packed = policy(self.engine.spec, self.engine.store.settings)
        return cycle_reply(self.engine.store.call(*cycle_call(self.name, request, packed)))

    def _finish(self, job_id: str, *rest: Any) -> tuple[Any, ...]:
        if len(rest) == 4:
            return (job_id, *rest)
        outcome, extra = rest if len(rest) == 2 else (rest[0], None)
        return job_id, self.held[job_id], outcome, 7, extra

    def fetch(self, at_once: int = 1, ahead: int = 0, holds: int | None = None) -> list[str]:
        """Fetch jobs that start at once, and others in reserve. Returns their ids in order."""
        return fetched(self.cycle(at_once=at_once, ahead=ahead, holds=holds))

    def finish(self, job_id: str, outcome: str = "c", **extra: Any) -> str:
        """End an attempt. Returns the code: 1 done, 0 stale."""
        return self.cycle((job_id, outcome, extra or None)).codes.decode()

    def pairs(self, *ids: str) -> list[tuple[str, int]]:
        """Jobs with the numbers of their fetches."""
        return [(job_id, self.held[job_id]) for job_id in ids]

    def extend(self, *ids: str) -> str:
        """Renew leases. Returns a code a job: 1 renewed, 0 lost."""
        return str(self.engine.store.call(*extend_call(self.name, self.engine.spec, self.pairs(*ids))).decode())

    def release(self, *ids: str) -> str:
        """Give jobs back unstarted. Returns a code a job: 1 released, 0 stale."""
        call = release_call(self.name, self.engine.queue, self.pairs(*ids))
        return str(self.engine.store.call(*call).decode())

    def reclaim(self, number: int = 0) -> int:
        """Give back what Redis holds for this worker and it does not know; cycles up to ``number`` come too late."""
        return reclaim(self.engine.store, self.name, self.engine.queue, list(self.held.items()), number)


def new_job(
    job_id: str, priority: int = 5, workspace: str = "", delay: int = 0, due: int = 0, payload: bytes = b"{}"
) -> add.NewJob:
    """A job as the door lets it through; times in ms."""
    return add.NewJob(job_id, payload, priority, workspace, delay, due)


def fetched(reply: CycleReply) -> list[str]:
    """The ids of the jobs that a cycle gave."""
    return [job_id.decode() for job_id in reply.jobs[::3]]
