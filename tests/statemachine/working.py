"""What producers, the queue's switch, and worker processes do."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import msgpack
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from callboard.errors import JobNotFound, WrongState
from callboard.packing import pack
from callboard.verbs import telling
from callboard.verbs.cycle import CycleRequest
from tests.statemachine.base import (
    LEASE,
    MINUTE,
    BaseMachine,
    Client,
    clock,
    delays,
    messages,
    priorities,
    reasons,
    some,
    wanted,
    workspaces,
)
from tests.statemachine.jobs import RESULT, End, Held, NewJob
from tests.support.engine import Worker, new_job

#: Log lines kept of a job here, so that there are too many soon.
LINES = 3

ids = st.integers(0, 99).map("j{:02d}".format)
new_jobs = st.builds(NewJob, ids, priorities, workspaces, delays, messages)
batches = st.lists(new_jobs, min_size=3, max_size=8)
numbers = st.lists(some, min_size=2, max_size=LINES + 1)
outcomes = st.sampled_from(["c", "c", "r", "d", "f", "x", "b"])
ttls = st.sampled_from([0, None, None, 20 * MINUTE, 90 * MINUTE])
sends = st.sampled_from([0, 0, 1, 2])
ends = st.builds(End, outcomes, delays, ttls, sends, reasons)


class WorkingMachine(BaseMachine):
    """Jobs come, run and go."""

    # Producers

    @initialize(jobs=batches)
    def there_are_jobs(self, jobs: list[NewJob]) -> None:
        """A queue that nobody uses is of little interest."""
        self.add(jobs)

    @rule(jobs=batches, others=batches)
    def both_clients_add(self, jobs: list[NewJob], others: list[NewJob]) -> None:
        """One after the other."""
        self.add(jobs)
        self.add(others)

    @rule(jobs=batches)
    def add(self, jobs: list[NewJob]) -> None:
        """One batch; ids may exist, in the queue or in the batch."""
        client = self.client()
        client.number += 1
        rows = pack([new_job(j.id, j.priority, j.workspace, j.delay, 0, j.message.payload).row() for j in jobs])
        reply = self._send(client, rows)
        if self.model.closed:
            assert reply == [-2]
            client.number -= 1
            return
        codes = reply[1].decode()
        records = self.engine.snapshot().records
        added = [records[job.id].added for job, code in zip(jobs, codes, strict=True) if code == "1"]
        assert self.model.add(jobs, added[0] if added else 0) == codes
        client.sent = rows, codes

    @precondition(lambda self: any(client.sent for client in self.clients))
    @rule()
    def add_again_after_a_lost_reply(self) -> None:
        """Each client's last add arrives once more: it gets its first answer, whatever became of its jobs."""
        for client in self.clients:
            if client.sent:
                rows, codes = client.sent
                assert self._send(client, rows) == [1, codes.encode()]

    def _send(self, client: Client, rows: bytes) -> list[Any]:
        args = (client.name, client.number, 1, 0, client.store.settings.events_max, rows)
        reply: list[Any] = client.store.call("add", "q", args)
        return reply

    @rule(paused=st.sampled_from([True, False, False]))
    def pause_or_resume(self, paused: bool) -> None:
        """Nothing new starts, or jobs start again."""
        verb, args = ("pause", ("", "", 100)) if paused else ("resume", (100,))
        changed = bool(self.client().store.call(verb, "q", args))
        assert changed is (self.model.paused is not paused)
        self.model.paused = paused
        if changed:
            self.model.events[""].append("paused" if paused else "resumed")
        if changed and paused:
            assert not self.engine.take_mark(), "a paused queue wakes its workers"

    # Worker processes

    @rule(data=st.data(), who=some, at_once=wanted, ahead=some)
    def cycle(self, data: st.DataObject, who: int, at_once: int, ahead: int) -> None:
        """Finish, promote and fetch in one call."""
        self.do_cycle(data, self.workers[who % 3], at_once, ahead)

    @rule(data=st.data(), who=some, at_once=wanted, ahead=some)
    def two_workers_cycle(self, data: st.DataObject, who: int, at_once: int, ahead: int) -> None:
        """At once, so that each finds what the other has left."""
        self.do_cycle(data, self.workers[who % 3], at_once, ahead)
        self.do_cycle(data, self.workers[(who + 1) % 3], at_once, ahead)

    @rule(data=st.data(), who=some, at_once=wanted, ahead=some)
    def cycle_whose_reply_is_lost(self, data: st.DataObject, who: int, at_once: int, ahead: int) -> None:
        """The script runs, its reply does not come; the worker sends the finishes again and reclaims."""
        worker = self.workers[who % 3]
        before = dict(worker.held)
        request, codes = self.do_cycle(data, worker, at_once, ahead)
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
            self.do_cycle(data, self.everybody[data.draw(st.sampled_from(gone))], 0, 0)

    def do_cycle(self, data: st.DataObject, worker: Worker, at_once: int, ahead: int) -> tuple[CycleRequest, str]:
        """One call, with some finishes and starts."""
        finishes = [(held, data.draw(ends)) for held in self.some_past(data, worker)]
        worker.number = max(worker.number, *(n for _, n in self.past_of(worker)), 0) + 1
        ended = {held[0] for held, _ in finishes}
        holds = len(worker.held.keys() - ended)
        starts = [held for held in self.some_past(data, worker) if held[0] not in ended]
        sent = [finish_of(held, end) for held, end in finishes]
        request = CycleRequest("q", worker.number, sent, at_once, ahead, holds, starts)
        if at_once:
            self.engine.take_mark()
        reply = worker.send(request)

        now = reply.now_ms
        codes = reply.codes.decode()
        assert codes == self.model.finish(worker.name, finishes, now)
        for held in starts:
            self.model.start(worker.name, held)
        self.model.promote(now)
        got = [i.decode() for i in reply.jobs[::3]]
        expected = self.model.fetch(worker.name, worker.number, at_once, ahead, holds, now)
        assert got == expected, "the jobs fetched, in their order"
        assert list(reply.jobs[1::3]) == [self.model.jobs[i].message.payload for i in got]
        assert sorted(i.decode() for i in reply.cancels) == sorted(self.model.to_stop(worker.name)), "who is to stop"
        for job_id in ended:
            worker.held.pop(job_id, None)
        worker.held.update(dict.fromkeys(got, worker.number))
        self.past.setdefault(worker.name, []).extend((job_id, worker.number) for job_id in got)
        return request, codes

    @rule(data=st.data(), who=some)
    def release(self, data: st.DataObject, who: int) -> None:
        """Jobs go back unstarted."""
        worker = self.workers[who % 3]
        held = self.some_past(data, worker)
        marked, began = self.to_be_cancelled(), clock()
        reply = self.store.call("release", "q", (worker.name, msgpack.packb(held, use_bin_type=False)))
        now = self.time_of("cancelled", marked, began)
        assert reply.decode() == self.model.release(worker.name, held, now)
        worker.held = {i: n for i, n in worker.held.items() if (i, n) not in held}

    @rule(data=st.data(), who=some)
    def extend(self, data: st.DataObject, who: int) -> None:
        """Leases are renewed."""
        worker = self.workers[who % 3]
        self.do_extend(worker, self.some_past(data, worker))

    def do_extend(self, worker: Worker, held: list[Held]) -> None:
        """Renew the leases of some jobs."""
        if not held:
            return
        began = clock()
        reply = self.store.call("extend", "q", (worker.name, LEASE, msgpack.packb(held, use_bin_type=False)))
        owned = [i for i, n in held if self.model.owns(worker.name, (i, n))]
        expiry = int(self.engine.do("ZSCORE", "active", owned[0])) if owned else began + LEASE
        assert began <= expiry - LEASE <= clock()
        assert reply.decode() == self.model.extend(worker.name, held, expiry)

    @rule(who=some)
    def reclaim(self, who: int) -> None:
        """A worker says what it knows."""
        self._reclaim(self.workers[who % 3])

    def _reclaim(self, worker: Worker, number: int = 0) -> None:
        marked, began = self.to_be_cancelled(), clock()
        given_back = worker.reclaim(number)
        now = self.time_of("cancelled", marked, began)
        assert given_back == self.model.reclaim(worker.name, list(worker.held.items()), now)

    @rule(who=some)
    def die(self, who: int) -> None:
        """A process is killed, another takes its place."""
        self.workers[who % 3] = worker = self.engine.worker()
        self.everybody[worker.name] = worker

    # What jobs say of themselves while they run

    @rule(data=st.data(), what=st.sampled_from(["progress", "log", "checkpoint"]), numbers=numbers)
    def an_attempt_speaks(self, data: st.DataObject, what: str, numbers: list[int]) -> None:
        """Several times; only the attempt that holds the job is heard."""
        spoken = [(name, held) for name in sorted(self.past) for held in self.past[name][-6:]]
        owned = [each for each in spoken if self.model.owns(*each)]
        if not spoken:
            return
        worker, held = data.draw(st.sampled_from([*owned * 3, *spoken]))
        holder = telling.Holder("q", held[0], worker, held[1])
        for number in numbers:
            if not self.model.owns(worker, held):
                with pytest.raises(WrongState if held[0] in self.model.jobs else JobNotFound):
                    self._speak(what, holder, number)
                continue
            self._speak(what, holder, number)
            job = self.model.jobs[held[0]]
            if what == "progress":
                job.progress = number
                self.model.say("progress", job)
            elif what == "checkpoint":
                job.checkpoints[f"part {number % 2}"] = number
            else:
                job.log = [*job.log, f"line {number}"][-LINES:]

    def _speak(self, what: str, holder: telling.Holder, number: int) -> None:
        if what == "progress":
            telling.tell_progress(self.store, holder, number)
        elif what == "checkpoint":
            telling.tell_checkpoint(self.store, holder, f"part {number % 2}", number)
        else:
            with patch.object(telling, "LOG_LINES", LINES):
                telling.tell_line(self.store, holder, f"line {number}")


def finish_of(held: Held, end: End) -> tuple[Any, ...]:
    """An end as the script takes it."""
    extra: dict[str, Any] = {"delay": end.delay, "reason": end.reason}
    if end.ttl != 0:
        extra["result"] = RESULT
    if end.ttl:
        extra["result_ttl"] = end.ttl
    if end.sends:
        extra["outbox"] = [("other", "m", b"{}", 5, "", 0)] * end.sends
    return *held, end.outcome, 5, extra
