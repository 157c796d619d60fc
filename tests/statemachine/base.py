"""One queue twice, in Redis and as a model, and what the rules of the machine share."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from callboard.errors import JobNotFound, WrongState
from callboard.store.store import Store
from tests.statemachine.agree import agree, agree_on_events
from tests.statemachine.bulk_runs import Run
from tests.statemachine.jobs import Held, Message, Rules
from tests.statemachine.model import Model
from tests.support.engine import Engine, Worker
from tests.support.steering import payload

MINUTE = 60_000
LEASE = 10 * MINUTE

#: The queue under test. Bounds are small so that they are met; every time is far longer than an example takes, so
#: that nothing falls due by itself while one runs.
QUEUE: dict[str, Any] = {
    "lease_ms": LEASE, "max_stalls": 1, "keep_completed": 4, "keep_failed": 3, "keep_completed_ms": 60 * MINUTE,
    "keep_failed_ms": 120 * MINUTE,
}  # fmt: skip
RULES = Rules(
    lease=LEASE, tidy_every=MINUTE, max_stalls=1,
    keep={"completed": 4, "failed": 3, "cancelled": 4},
    keep_ms={"completed": 60 * MINUTE, "failed": 120 * MINUTE, "cancelled": 60 * MINUTE},
)  # fmt: skip

#: Words that payloads and reasons have, to be looked for.
NOTES, REASONS = ("red", "blue"), ("because", "unwanted")


def message(actor: str, tag: str, note: str) -> Message:
    """What a job of an actor carries."""
    return Message(actor, tag, payload(actor, tags=(tag,), note=note))


messages = st.sampled_from(
    [message("work", "big", "red"), message("work", "big", "blue"), message("play", "fun", "red")]
)
priorities = st.sampled_from([5, 5, 5, 5, 1, 7])
workspaces = st.sampled_from(["", "acme", "bolt"])
delays = st.sampled_from([0, 0, 0, 2 * MINUTE, 30 * MINUTE])
reasons = st.sampled_from(REASONS)
some = st.integers(0, 3)
#: How many jobs a worker asks for.
wanted = st.sampled_from([2, 1, 3, 0])


class Client:
    """A producer or operator: a connection of its own, the name and number of its last add, and what it added."""

    def __init__(self, name: str, store: Store) -> None:
        self.name = name
        self.store = store
        self.number = 0
        self.sent: tuple[bytes, str] | None = None


class BaseMachine(RuleBasedStateMachine):
    """A queue, its model, two clients and three worker processes."""

    #: Two connections, one a client; the workers use the first.
    stores: tuple[Store, Store]
    examples = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        self.store = self.stores[0]
        self.engine = Engine(self.store, "q")
        self.clear()
        self.model = Model(RULES)
        self.clients = [Client(name, store) for name, store in zip("ab", self.stores, strict=True)]
        self._turns = itertools.cycle(self.clients)
        self.workers = [self.engine.worker() for _ in range(3)]
        #: Every fetch there was, the dead workers' too: whoever asks with one of them is answered by what is true now.
        self.past: dict[str, list[Held]] = {}
        self.everybody = {worker.name: worker for worker in self.workers}
        #: Verbs on many jobs that are half-way, and an obliterate that has only closed the queue (whether by force).
        self.runs: list[Run] = []
        self.closing: bool | None = None
        #: Entries of the event stream that were compared already.
        self.heard = 0

    def clear(self) -> None:
        """Begin with nothing, whatever an example before has left."""
        for name, found in self.engine.snapshot().keys.items():
            if found:
                self.engine.do("UNLINK", name)

    def client(self) -> Client:
        """Whose turn it is: both act, one after the other."""
        return next(self._turns)

    def some_job(self, data: st.DataObject, *states: str) -> str:
        """Some job, mostly in one of ``states``, or one that is not there."""
        ids = [job.id for state in states for job in self.model.of(state)]
        return str(data.draw(st.sampled_from([*ids * 3, *sorted(self.model.jobs), "nobody"])))

    def past_of(self, worker: Worker) -> list[Held]:
        """All fetches of a worker."""
        return self.past.get(worker.name, [])

    def some_past(self, data: st.DataObject, worker: Worker) -> list[Held]:
        """Some of a worker's fetches: mostly of jobs that it holds, some that are over."""
        held = sorted(worker.held.items())
        choice = held * 3 + self.past_of(worker)[-8:]
        return data.draw(st.lists(st.sampled_from(choice), max_size=4, unique=True)) if choice else []

    def time_of(self, state: str, ids: Iterable[str], began: int) -> int:
        """When jobs came to a state just now, as the server wrote it down, which has the clock that we have.

        A job that is gone again leaves no time behind; then nothing depends on it.
        """
        for job_id in ids:
            score = self.engine.do("ZSCORE", state, job_id)
            if score is not None:
                assert began <= int(score) <= clock(), f"{job_id} came to {state} at another time than now"
                return int(score)
        return began

    def to_be_cancelled(self) -> list[str]:
        """Active jobs that were cancelled."""
        return [job.id for job in self.model.of("active") if job.mark]

    @invariant()
    def both_agree(self) -> None:
        """States, orders, times, counters, events: all that can be seen is as the model has it."""
        found = self.engine.snapshot()
        found.check()
        agree(found, self.model)
        entries = found.keys["events"]
        agree_on_events(entries[self.heard :], self.model.events)
        self.heard = len(entries)
        self.model.events.clear()


def clock() -> int:
    """The time (ms): server and test are on one machine."""
    return time.time_ns() // 1_000_000


def answer(call: Callable[[], str]) -> str:
    """What a verb on one job says, its errors in the model's words."""
    try:
        return call()
    except JobNotFound:
        return "unknown"
    except WrongState as error:
        told = f"is {error.state}" in str(error)
        return f"wrong: {error.state}" if told else f"it does not tell the state: {error}"
