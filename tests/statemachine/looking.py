"""What anybody may look at without changing it: lists, searches, one job, a queue at a glance, its events."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from hypothesis.stateful import rule

from callboard.errors import JobNotFound
from callboard.verbs import bulk, looking, result, telling
from tests.statemachine.base import BaseMachine, clock
from tests.statemachine.bulk import wishes
from tests.statemachine.bulk_runs import filter_of
from tests.statemachine.jobs import RESULT
from tests.statemachine.model import GONE
from tests.statemachine.operating import Wish

STATES = ("waiting", "delayed", "active", "completed", "failed", "cancelled")

some_states = st.lists(st.sampled_from(STATES), min_size=1, max_size=3, unique=True)
limits = st.integers(1, 5)


class LookingMachine(BaseMachine):
    """Everything that reads."""

    @rule(data=st.data(), what=st.sampled_from(["find", "find", "list", "get", "get", "result", "stats", "events"]))
    def look(self, data: st.DataObject, what: str) -> None:
        """In one of the ways that there are."""
        if what == "find":
            budget = data.draw(st.sampled_from([1, 1000]))
            self._find(data.draw(wishes), data.draw(some_states), data.draw(limits), budget)
        elif what == "list":
            self._list(data.draw(st.sampled_from(STATES)), data.draw(limits), data.draw(st.booleans()))
        elif what == "get":
            self._get(self.some_job(data))
        elif what == "result":
            self._result(data.draw(st.sampled_from([*sorted(self.model.results), self.some_job(data)])))
        elif what == "stats":
            self._stats()
        else:
            self._events(data.draw(st.sampled_from([1, 7, 1000])))

    def _find(self, wish: Wish, states: Sequence[str], limit: int, budget: int) -> None:
        """Page by page, all that is meant and nothing else."""
        expected = [job.id for state in states for job in self.model.of(state) if wish.wants(job)]
        found: list[str] = []
        store, cursor, pages = self.client().store, None, 0
        while cursor is not None or not pages:
            page = bulk.find(
                store, "q", filter_of(wish), states=states, limit=limit, cursor=cursor, budget=budget,
            )  # fmt: skip
            assert len(page.jobs) <= limit
            found += [job.id for job in page.jobs]
            cursor, pages = page.cursor, pages + 1
            assert pages < 200, "a search has no end"
        assert found == expected

    def _list(self, state: str, limit: int, newest: bool) -> None:
        """Page by page, in either direction."""
        expected = [job.id for job in self.model.of(state)]
        listed: list[str] = []
        store, cursor, pages = self.client().store, None, 0
        while cursor is not None or not pages:
            page = looking.list_jobs(store, "q", state, limit=limit, cursor=cursor, newest=newest)
            assert page.total == len(expected)
            listed += [job.id for job in page.jobs]
            cursor, pages = page.cursor, pages + 1
            assert pages < 200, "a list has no end"
        assert listed == (expected[::-1] if newest else expected)

    def _get(self, job_id: str) -> None:
        """One job, with what it has said of itself."""
        store, job = self.client().store, self.model.jobs.get(job_id)
        said = telling.details(store, "q", job_id)
        try:
            seen = looking.get_job(store, "q", job_id)
        except JobNotFound:
            assert job is None
            assert said == telling.JobDetails()
            return
        assert job is not None
        assert (seen.state, seen.actor, seen.priority) == (job.state, job.message.actor, job.priority)
        assert (seen.attempts_made, seen.stalls, seen.reason) == (job.attempts, job.stalls, job.reason)
        assert [attempt.error_message for attempt in seen.attempts] == job.errors[-20:]
        assert seen.due_ms == job.at or job.state != "delayed"
        assert seen.ended_ms == (job.at if job.state in ("completed", "failed", "cancelled") else 0)
        assert said.progress == job.progress
        assert [line for _, line in said.log] == job.log
        assert said.checkpoints == job.checkpoints

    def _result(self, job_id: str) -> None:
        """What became of a job, also when only its result is left."""
        seen, job = result.look(self.client().store, "q", job_id), self.model.jobs.get(job_id)
        at = self.model.results.get(job_id, "none")
        gone = at == GONE or (isinstance(at, int) and at <= clock())
        assert seen.state == ("" if job is None else job.state)
        if job is None and gone:
            at = "none"
        assert seen.result == (None if at == "none" else b"" if gone else RESULT)
        assert seen.reason == ("" if job is None else job.reason)

    def _stats(self) -> None:
        """Counts and totals; the minutes of an example add up to its totals."""
        store = self.client().store
        seen = looking.queue_stats("q", store.call(*looking.stats_call("q")))
        for state in STATES:
            assert getattr(seen, state) == len(self.model.of(state)), f"how many are {state}"
        assert (seen.paused, seen.outbox, seen.limited) == (self.model.paused, self.model.outbox, 0)
        delayed = self.model.of("delayed")
        assert seen.next_due_ms == (delayed[0].at if delayed else 0)
        totals = {name: number for name, number in self.model.totals.items() if number}
        assert seen.totals == totals
        for name, series in telling.history(store, "q", minutes=5).items():
            assert sum(number for _, number in series) == totals.get(name, 0), f"{name} a minute"

    def _events(self, limit: int) -> None:
        """From an id on: all of them, once."""
        kept = [entry_id.decode() for entry_id, _ in self.engine.snapshot().keys["events"]][-20:]
        if not kept:
            return
        read, after = [kept[0]], kept[0]
        while page := telling.events(self.client().store, "q", after, limit):
            read += [event.id for event in page]
            after = page[-1].id
        assert read == kept
