"""What operators do to many jobs, whole or step by step while everything else goes on, and to the queue as such."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from callboard.errors import QueueBusy
from callboard.verbs import bulk
from tests.statemachine import operating
from tests.statemachine.base import MINUTE, NOTES, REASONS, BaseMachine, clock, reasons, workspaces
from tests.statemachine.bulk_runs import Run, filter_of
from tests.statemachine.jobs import ModelJob
from tests.statemachine.operating import FINISHED, UNSTARTED, Wish

#: Runs that may be half-way at once, of one verb or of several.
MAX_RUNS = 3

#: A queue of so few jobs is not worth emptying, or obliterating.
SOME, MANY = 3, 8

texts = st.sampled_from(["", "", *NOTES, *REASONS, "Lost"])
befores = st.sampled_from([0, 0, 30])
tags = st.sampled_from(["", "", "big", "fun", "small"])
wishes = st.builds(Wish, st.sampled_from(["", "", "work", "play"]), workspaces, tags, texts, befores).map(
    lambda wish: wish._replace(before=clock() - wish.before * MINUTE if wish.before else 0)
)
#: All jobs more often than not.
wishes_or_all = st.one_of(st.just(Wish()), wishes)
#: Verbs, and the states that they are about.
VERBS = (
    ("promote_all", "delayed"), *(("retry_all", state) for state in FINISHED),
    *(("cancel_all", state) for state in UNSTARTED),
)  # fmt: skip

emptying = st.sampled_from(["clean", "clean", "clean", "step", "step", "drain", "obliterate"])
#: Minutes, and how many at most.
ages = st.tuples(st.sampled_from([0, 0, 3, 30]), st.sampled_from([1, 2, 100]))


class BulkMachine(BaseMachine):
    """Verbs on many jobs."""

    @precondition(lambda self: len(self.runs) < MAX_RUNS)
    @rule(data=st.data())
    def a_run_begins(self, data: st.DataObject) -> None:
        """Its first step; the others come when they come."""
        run = self._some_run(data)
        self.runs.append(run)
        self._step(run)

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def a_run_goes_on(self, data: st.DataObject) -> None:
        """One more step."""
        self._step(self.runs[data.draw(st.integers(0, len(self.runs) - 1))])

    @precondition(lambda self: self.runs)
    @rule()
    def the_runs_come_to_their_end(self) -> None:
        """Step by step, in turns."""
        for _ in range(100):
            for run in list(self.runs):
                self._step(run)
        assert not self.runs, "a run has no end"

    @rule(data=st.data())
    def a_whole_run(self, data: st.DataObject) -> None:
        """As operators call it."""
        run = self._some_run(data)
        store, spec, only = self.client().store, self.engine.spec, filter_of(run.wish)
        if run.verb == "retry_all":
            changed = bulk.retry_all(store, spec, state=run.state, only=only, reset_attempts=run.reset)
        elif run.verb == "promote_all":
            changed = bulk.promote_all(store, spec, only=only)
        else:
            began = clock()
            before = [job.id for job in self.model.of(run.state)]
            changed = bulk.cancel_all(store, spec, state=run.state, only=only, reason=run.reason)
            run.until_ms = self.time_of("cancelled", before, began)
        run.until_ms = run.until_ms or clock()
        assert changed == self._in_the_model(run, self.model.of(run.state), run.until_ms)

    def _some_run(self, data: st.DataObject) -> Run:
        verb, state = data.draw(st.sampled_from([each for each in VERBS if len(self.model.of(each[1])) > 1] or VERBS))
        wish, reason = data.draw(wishes_or_all), data.draw(reasons)
        return Run(verb, state, wish, data.draw(st.booleans()), reason, data.draw(st.integers(1, 2)))

    def _step(self, run: Run) -> None:
        jobs = operating.step(self.model, run.state, run.place, run.steps_of)
        began = clock()
        changed, looked = run.step(self.client().store)
        run.place = (operating.place_of(jobs[-1]), jobs[-1].id) if jobs else run.place
        meant = [job for job in jobs if run.state not in FINISHED or job.at <= run.until_ms]
        assert looked == len(meant), "at how many jobs a step has looked"
        assert run.through is (len(jobs) < run.steps_of or len(meant) < len(jobs)), "whether the run is through"
        ids = [job.id for job in jobs]
        now = self.time_of("cancelled", ids, began) if run.verb == "cancel_all" else began
        if not run.through:
            assert run.job_id.decode() == jobs[-1].id, "where the run goes on"
        assert changed == self._in_the_model(run, jobs, now)
        if run.through:
            self.runs.remove(run)

    def _in_the_model(self, run: Run, jobs: list[ModelJob], now: int) -> int:
        if run.verb == "retry_all":
            return operating.retry_all(self.model, jobs, run.wish, run.until_ms, run.reset)
        if run.verb == "promote_all":
            return operating.promote_all(self.model, jobs, run.wish, run.until_ms)
        return operating.cancel_all(self.model, jobs, run.wish, run.until_ms, run.reason, now)

    # What empties a queue: one rule, so that the queues of most examples are not empty most of the time

    @precondition(lambda self: len(self.model.jobs) > SOME)
    @rule(data=st.data(), what=emptying)
    def jobs_go(self, data: st.DataObject, what: str) -> None:
        """Some jobs or all of them."""
        if what == "drain":
            self._drain(data.draw(st.booleans()))
        elif what == "step":
            self._one_step_of_a_drain(data.draw(st.sampled_from(UNSTARTED)))
        elif what == "clean":
            self._clean(self._some_state(data), *data.draw(ages))
        elif what == "obliterate":
            self._obliterate(data.draw(st.sampled_from([False, False, True])))

    def _some_state(self, data: st.DataObject) -> str:
        states = [state for state in (*FINISHED, *UNSTARTED) if self.model.of(state)]
        return str(data.draw(st.sampled_from(states or FINISHED)))

    def _drain(self, delayed: bool) -> None:
        """What waits goes, and what is delayed if asked."""
        removed = bulk.drain(self.client().store, self.engine.spec, delayed=delayed)
        assert removed == sum(operating.drain(self.model, state, 1000) for state in UNSTARTED[: 1 + delayed])

    def _one_step_of_a_drain(self, state: str) -> None:
        """It may be interrupted after each, or two may drain at once."""
        store = self.client().store
        removed = store.call("drain", "q", (state, 2, store.settings.events_max))
        assert removed == operating.drain(self.model, state, 2)

    def _clean(self, state: str, minutes: int, limit: int) -> None:
        """What is older than an age goes."""
        removed, more = bulk.clean(self.client().store, self.engine.spec, state, minutes * 60, limit)
        assert removed == operating.clean(self.model, state, clock() - minutes * MINUTE, limit)
        assert more is (len(removed) == limit)

    @precondition(lambda self: self.model.outbox and not self.model.of("active"))
    @rule()
    def messages_keep_a_queue(self) -> None:
        """Those on their way to other queues would be lost with it."""
        self._obliterate(force=False)

    def _obliterate(self, force: bool) -> None:
        """All goes, or the queue is refused and open again."""
        busy = bool(self.model.of("active") or self.model.outbox) and not force
        if busy:
            with pytest.raises(QueueBusy, match=f"{len(self.model.of('active'))} active"):
                bulk.obliterate(self.client().store, self.engine.spec, force=force)
            self.model.closed = False
        else:
            bulk.obliterate(self.client().store, self.engine.spec, force=force)
            self._all_is_gone()

    @precondition(lambda self: self.closing is None and len(self.model.jobs) > MANY)
    @rule(force=st.sampled_from([False, False, True]))
    def obliterate_is_interrupted(self, force: bool) -> None:
        """Between its two calls: the queue takes no jobs and starts none."""
        self.model.closed = self._obliterate_stage("close", force)
        self.closing = force if self.model.closed else None

    @precondition(lambda self: self.closing is not None)
    @rule()
    def the_interrupted_obliterate_goes_on(self) -> None:
        """Unless something runs meanwhile after all."""
        force, self.closing = bool(self.closing), None
        if self._obliterate_stage("remove", force):
            self._all_is_gone()
        else:
            self.model.closed = False

    def _obliterate_stage(self, stage: str, force: bool) -> bool:
        active, outbox = len(self.model.of("active")), self.model.outbox
        code, *told = self.client().store.call("obliterate", "q", (stage, int(force)))
        assert told == [active, outbox]
        assert (code == 1) is (force or active + outbox == 0)
        return bool(code == 1)

    def _all_is_gone(self) -> None:
        self.model.begin()
        self.model.events.clear()
        self.heard = 0
        self.closing = None
        for client in self.clients:
            client.sent = None
