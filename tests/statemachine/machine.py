"""The real scripts beside the model: whatever is done to both, both must agree."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from callboard.store.store import Store
from callboard.verbs import add
from callboard.verbs.cycle import CycleRequest
from tests.statemachine.agree import agree
from tests.statemachine.model import ENDED, Held, Model, Rules
from tests.support.engine import Engine, Worker, new_job

MINUTE = 60_000
LEASE = 10 * MINUTE

#: The queue under test. Bounds are small so that they are met; every time is far longer than an example takes, so
#: that nothing falls due by itself while one runs.
QUEUE: dict[str, Any] = {
    "lease_ms": LEASE, "max_stalls": 1, "keep_completed": 3, "keep_failed": 2, "keep_completed_ms": 60 * MINUTE,
    "keep_failed_ms": 120 * MINUTE,
}  # fmt: skip
RULES = Rules(
    lease=LEASE, tidy_every=MINUTE, max_stalls=1,
    keep={"completed": 3, "failed": 2, "cancelled": 3},
    keep_ms={"completed": 60 * MINUTE, "failed": 120 * MINUTE, "cancelled": 60 * MINUTE},
)  # fmt: skip

ids = st.integers(0, 99).map("j{:02d}".format)
priorities = st.sampled_from([5, 5, 5, 5, 1, 7])
workspaces = st.sampled_from(["", "acme", "bolt"])
delays = st.sampled_from([0, 0, 0, 2 * MINUTE, 30 * MINUTE])
new_jobs = st.tuples(ids, priorities, workspaces, delays)
outcomes = st.sampled_from(["c", "c", "r", "d", "f", "x", "b"])
ttls = st.sampled_from([0, 0, 20 * MINUTE])
sends = st.sampled_from([0, 0, 1, 2])
some = st.integers(0, 3)


class QueueMachine(RuleBasedStateMachine):
    """One queue, three worker processes, and all that can happen to them."""

    store: Store
    examples = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        self.engine = Engine(self.store, "q")
        self.clear()
        self.model = Model(RULES)
        self.workers = [self.engine.worker() for _ in range(3)]
        #: Every fetch there was, the dead workers' too: whoever asks with one of them is answered by what is true now.
        self.past: dict[str, list[Held]] = {}
        self.everybody = {worker.name: worker for worker in self.workers}
        self.sweep()

    def clear(self) -> None:
        """Begin with nothing, whatever an example before has left."""
        for name, found in self.engine.snapshot().keys.items():
            if found:
                self.engine.do("UNLINK", name)

    # What producers and operators do

    @rule(jobs=st.lists(new_jobs, min_size=1, max_size=8))
    def add(self, jobs: list[tuple[str, int, str, int]]) -> None:
        """One batch; ids may exist, in the queue or in the batch."""
        codes = add.add(self.store, self.engine.spec, [new_job(*job) for job in jobs])
        records = self.engine.snapshot().records
        added = [records[job[0]].added for job, code in zip(jobs, codes, strict=True) if code == "1"]
        assert self.model.add(jobs, added[0] if added else 0) == codes

    @rule(paused=st.sampled_from([True, False, False]))
    def pause_or_resume(self, paused: bool) -> None:
        """Nothing new starts, or jobs start again."""
        verb, args = ("pause", ("", "", 100)) if paused else ("resume", (100,))
        changed = bool(self.store.call(verb, "q", args))
        assert changed is (self.model.paused is not paused)
        self.model.paused = paused
        if changed and paused:
            assert not self.engine.take_mark(), "a paused queue wakes its workers"

    # What worker processes do

    @rule(data=st.data(), who=some, at_once=some, ahead=some)
    def cycle(self, data: st.DataObject, who: int, at_once: int, ahead: int) -> None:
        """Finish, promote and fetch in one call."""
        self._cycle(data, self.workers[who % 3], at_once, ahead)

    @rule(data=st.data(), who=some, at_once=some, ahead=some)
    def cycle_whose_reply_is_lost(self, data: st.DataObject, who: int, at_once: int, ahead: int) -> None:
        """The script runs, its reply does not come; the worker sends the finishes again and reclaims."""
        worker = self.workers[who % 3]
        before = dict(worker.held)
        request, codes = self._cycle(data, worker, at_once, ahead)
        worker.held = {i: number for i, number in before.items() if i not in {f[0] for f in request.finishes}}
        fetch = request.at_once, request.ahead
        request.at_once = request.ahead = 0
        self._again(worker, request, codes)
        self._reclaim(worker, request.number)
        request.at_once, request.ahead = fetch
        self._again(worker, request, codes)

    def _again(self, worker: Worker, request: CycleRequest, codes: str) -> None:
        """A call arrives once more: it gets its first answer, ends nothing and fetches nothing."""
        reply = worker.send(request)
        assert (reply.codes.decode(), reply.jobs) == (codes, [])
        for held in request.starts:
            self.model.start(worker.name, held)
        self.model.promote(reply.now_ms)
        self.model.fetch(worker.name, 0, 0, 0, request.holds, reply.now_ms)

    @rule(data=st.data())
    def finish_by_a_dead_worker(self, data: st.DataObject) -> None:
        """A process that was taken for dead reports."""
        gone = [name for name in sorted(self.everybody) if self.everybody[name] not in self.workers]
        if gone:
            self._cycle(data, self.everybody[data.draw(st.sampled_from(gone))], 0, 0)

    def _cycle(self, data: st.DataObject, worker: Worker, at_once: int, ahead: int) -> tuple[CycleRequest, str]:
        finishes = [self._some_finish(data, held) for held in self._some_past(data, worker)]
        worker.number = max(worker.number, *(n for _, n in self._past(worker)), 0) + 1
        ended = {finish[0] for finish in finishes}
        holds = len(worker.held.keys() - ended)
        starts = [held for held in self._some_past(data, worker) if held[0] not in ended]
        request = CycleRequest("q", worker.number, finishes, at_once, ahead, holds, starts)
        if at_once:
            self.engine.take_mark()
        reply = worker.send(request)

        now = reply.now_ms
        codes = "".join(self._finish(worker, finish, now) for finish in finishes)
        assert reply.codes.decode() == codes
        for code, finish in zip(codes, finishes, strict=True):
            if code == "1" and finish[2] in ENDED:
                self.model.trim(ENDED[finish[2]])
        for held in starts:
            self.model.start(worker.name, held)
        self.model.promote(now)
        got = [i.decode() for i in reply.jobs[::3]]
        expected = self.model.fetch(worker.name, worker.number, at_once, ahead, holds, now)
        assert got == expected, "the jobs fetched, in their order"
        for job_id in ended:
            worker.held.pop(job_id, None)
        worker.held.update(dict.fromkeys(got, worker.number))
        self.past.setdefault(worker.name, []).extend((job_id, worker.number) for job_id in got)
        return request, codes

    def _some_finish(self, data: st.DataObject, held: Held) -> tuple[Any, ...]:
        extra: dict[str, Any] = {"delay": data.draw(delays), "reason": "because"}
        ttl, messages = data.draw(ttls), data.draw(sends)
        if ttl:
            extra["result"], extra["result_ttl"] = b"result", ttl
        if messages:
            extra["outbox"] = [("other", "m", b"{}", 5, "", 0)] * messages
        return *held, data.draw(outcomes), 5, extra

    def _finish(self, worker: Worker, finish: tuple[Any, ...], now: int) -> str:
        job_id, number, outcome, _, extra = finish
        return self.model.finish(
            worker.name, (job_id, number), outcome, now, extra["delay"], extra.get("result_ttl", 0),
            len(extra.get("outbox", ())),
        )  # fmt: skip

    @rule(data=st.data(), who=some)
    def release(self, data: st.DataObject, who: int) -> None:
        """Jobs go back unstarted."""
        worker = self.workers[who % 3]
        held = self._some_past(data, worker)
        reply = self.store.call("release", "q", (worker.name, msgpack.packb(held, use_bin_type=False)))
        assert reply.decode() == self.model.release(worker.name, held)
        worker.held = {i: n for i, n in worker.held.items() if (i, n) not in held}

    @rule(data=st.data(), who=some)
    def extend(self, data: st.DataObject, who: int) -> None:
        """Leases are renewed."""
        worker = self.workers[who % 3]
        self._extend(worker, self._some_past(data, worker))

    def _extend(self, worker: Worker, held: list[Held]) -> None:
        if not held:
            return
        earliest = self.engine.now() + LEASE
        reply = self.store.call("extend", "q", (worker.name, LEASE, msgpack.packb(held, use_bin_type=False)))
        latest = self.engine.now() + LEASE
        active = self.engine.snapshot().zset("active")
        expiry = next((int(active[i]) for i, n in held if self.model.owns(worker.name, (i, n))), earliest)
        assert earliest <= expiry <= latest
        assert reply.decode() == self.model.extend(worker.name, held, expiry)

    @rule(who=some)
    def reclaim(self, who: int) -> None:
        """A worker says what it knows."""
        self._reclaim(self.workers[who % 3])

    def _reclaim(self, worker: Worker, number: int = 0) -> None:
        assert worker.reclaim(number) == self.model.reclaim(worker.name, list(worker.held.items()))

    @rule(who=some)
    def die(self, who: int) -> None:
        """A process is killed, another takes its place."""
        self.workers[who % 3] = worker = self.engine.worker()
        self.everybody[worker.name] = worker

    # What time does

    @rule()
    def sweep(self) -> None:
        """Housekeeping, whenever it was last."""
        found = self.engine.bare_sweep()
        now = int(self.engine.snapshot().hash("meta")["swept"])
        assert sorted(found.recovered) == sorted(self.model.sweep(now))

    @rule(ms=st.sampled_from([MINUTE, 4 * MINUTE, 6 * MINUTE, 40 * MINUTE]))
    def time_passes(self, ms: int) -> None:
        """Nobody does anything."""
        self.engine.warp(ms)
        self.model.warp(ms)

    @rule(ms=st.sampled_from([MINUTE, 40 * MINUTE]))
    def the_clock_is_put_back(self, ms: int) -> None:
        """The server's clock jumps."""
        self.time_passes(-ms)

    @rule()
    def a_lease_passes(self) -> None:
        """Those who live renew their leases, sweeps go on; who died loses its jobs."""
        for _ in range(4):
            self.time_passes(3 * MINUTE)
            for worker in self.workers:
                self._extend(worker, list(worker.held.items()))
            self.sweep()

    @rule(data=st.data(), who=some, at_once=some, ahead=some)
    def a_process_dies_at_work(self, data: st.DataObject, who: int, at_once: int, ahead: int) -> None:
        """It has fetched; its jobs come back when their leases have run out."""
        self._cycle(data, self.workers[who % 3], at_once, ahead)
        self.die(who)
        self.a_lease_passes()

    @precondition(lambda self: self.model.outbox)
    @rule()
    def the_outbox_is_delivered(self) -> None:
        """Its messages end at the source."""
        numbers = [msgpack.unpackb(row)[0] for row in self.engine.snapshot().members("outbox")]
        removed = self.store.call("outbox_end", "q", (msgpack.packb(numbers), msgpack.packb([]), 100))
        assert removed == self.model.outbox
        self.model.outbox = 0

    def _past(self, worker: Worker) -> list[Held]:
        return self.past.get(worker.name, [])

    def _some_past(self, data: st.DataObject, worker: Worker) -> list[Held]:
        """Some of a worker's fetches: mostly of jobs that it holds, some that are over."""
        held = sorted(worker.held.items())
        choice = held * 3 + self._past(worker)[-8:]
        return data.draw(st.lists(st.sampled_from(choice), max_size=4, unique=True)) if choice else []

    # What must be true after each of these

    @invariant()
    def both_agree(self) -> None:
        """States, orders, times, counters: all that can be seen is as the model has it."""
        found = self.engine.snapshot()
        found.check()
        agree(found, self.model)
