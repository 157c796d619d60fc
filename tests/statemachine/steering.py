"""What operators do to one job, in whatever state it is."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from callboard.verbs import steering
from tests.statemachine import operating
from tests.statemachine.base import MINUTE, NOTES, answer, clock, message, priorities, reasons
from tests.statemachine.operating import FINISHED, UNSTARTED
from tests.statemachine.passing import PassingMachine

verbs = st.sampled_from(["cancel", "remove", "retry", "cancel", "promote", "reprioritise", "reschedule", "edit"])
notes = st.sampled_from(NOTES)
#: Minutes from now, and whether that is said as a time.
times = st.tuples(st.sampled_from([-30, 0, 2, 30]), st.booleans())


class SteeringMachine(PassingMachine):
    """Verbs on one job, one after the other: both clients have their turns."""

    @rule(data=st.data(), verbs=st.lists(verbs, min_size=2, max_size=4))
    def steer(self, data: st.DataObject, verbs: list[str]) -> None:
        """Each answer is checked, and all that came of them at the end."""
        known = {
            "remove": self._remove, "retry": self._retry, "promote": self._promote, "cancel": self._cancel,
            "reprioritise": self._reprioritise, "reschedule": self._reschedule, "edit": self._edit,
        }  # fmt: skip
        for verb in verbs:
            known[verb](data)

    @precondition(lambda self: self.model.of("active"))
    @rule(data=st.data(), whom=st.sampled_from(["nobody", "its worker", "the sweep"]))
    def what_runs_is_to_stop(self, data: st.DataObject, whom: str) -> None:
        """Jobs that run are cancelled or removed; whoever comes first brings it about."""
        running = [job.id for job in self.model.of("active")]
        for job_id in data.draw(st.lists(st.sampled_from(running), min_size=1, max_size=3, unique=True)):
            if data.draw(st.booleans()):
                self._cancel_it(job_id, data.draw(reasons))
            else:
                self._remove_it(job_id, force=True)
        owner = self.model.jobs[running[0]].owner
        worker = self.everybody[owner[0]] if owner is not None else None
        if whom == "its worker" and worker is not None:
            self.do_cycle(data, worker, 0, 0)
        elif whom == "the sweep":
            self.workers = [self.engine.worker() if each is worker else each for each in self.workers]
            self.everybody |= {each.name: each for each in self.workers}
            self.a_lease_passes()

    def _remove(self, data: st.DataObject) -> None:
        """It leaves for good; an active one only by force, when it has stopped."""
        force = data.draw(st.booleans())
        self._remove_it(self.some_job(data, "active"), force)

    def _remove_it(self, job_id: str, force: bool) -> None:
        said = answer(lambda: steering.remove(self.client().store, "q", job_id, force=force))
        assert said == operating.remove(self.model, job_id, force)

    def _retry(self, data: st.DataObject) -> None:
        """It waits again."""
        reset = data.draw(st.booleans())
        job_id = self.some_job(data, *FINISHED)
        client = self.client()
        said = answer(lambda: steering.retry(client.store, self.engine.spec, job_id, reset_attempts=reset))
        assert said == operating.retry(self.model, job_id, reset)

    def _promote(self, data: st.DataObject) -> None:
        """It waits before it is due."""
        job_id = self.some_job(data, "delayed")
        said = answer(lambda: steering.promote(self.client().store, self.engine.spec, job_id))
        assert said == operating.promote(self.model, job_id)

    def _cancel(self, data: st.DataObject) -> None:
        """At once, or its worker hears of it with its next cycle."""
        reason = data.draw(reasons)
        self._cancel_it(self.some_job(data, "active", "waiting"), reason)

    def _cancel_it(self, job_id: str, reason: str) -> None:
        began = clock()
        said = answer(lambda: steering.cancel(self.client().store, self.engine.spec, job_id, reason))
        now = self.time_of("cancelled", [job_id], began) if said == "done" else began
        assert said == operating.cancel(self.model, job_id, reason, now)

    def _reprioritise(self, data: st.DataObject) -> None:
        """Behind its new equals."""
        priority = data.draw(priorities)
        job_id = self.some_job(data, *UNSTARTED)
        said = answer(lambda: steering.reprioritise(self.client().store, self.engine.spec, job_id, priority))
        assert said == operating.reprioritise(self.model, job_id, priority)

    def _reschedule(self, data: st.DataObject) -> None:
        """Later, earlier, or at once."""
        job_id = self.some_job(data, *UNSTARTED)
        minutes, as_time = data.draw(times)
        began = clock()
        due = began + minutes * MINUTE
        run_at = datetime.fromtimestamp(due / 1000, UTC) if as_time or minutes < 0 else None
        delay = None if run_at is not None else minutes * 60.0
        client, spec = self.client(), self.engine.spec
        said = answer(lambda: steering.reschedule(client.store, spec, job_id, delay=delay, run_at=run_at))
        if said == "done" and minutes > 0:
            written = int(self.engine.do("ZSCORE", "delayed", job_id))
            assert due - 1 <= written <= (due if as_time else clock() + minutes * MINUTE)
            due = written
        assert said == operating.reschedule(self.model, job_id, due, began)

    def _edit(self, data: st.DataObject) -> None:
        """Another payload for the same actor."""
        note = data.draw(notes)
        job_id = self.some_job(data, *UNSTARTED)
        said = answer(lambda: steering.edit_payload(self.client().store, self.engine.spec, job_id, {"note": note}))
        job = self.model.jobs.get(job_id)
        stored = message(job.message.actor, job.message.tag, note).payload if job else b""
        assert said == operating.edit(self.model, job_id, stored)
