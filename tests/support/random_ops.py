"""An operator who does anything at any time, and keeps a ledger of the answers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from callboard.errors import JobNotFound, PayloadChanged, WrongState
from callboard.service import JobSpec, QueueService
from callboard.verbs.bulk import JobFilter
from callboard.verbs.steering import ALL_STATES

QUEUE = "one"

#: What the actor ``work`` does, by its argument ``how``.
HOW = ("quick", "quick", "quick", "slow", "fails", "fails at first", "defers")

#: How often each is done, relative to the others.
WEIGHTS = {
    "add": 24, "add_many": 4, "remove": 6, "remove_by_force": 4, "retry": 8, "promote": 6, "cancel": 8,
    "reprioritise": 6, "reschedule": 6, "edit": 4, "look": 8, "find": 3, "pause": 1, "resume": 3, "retry_all": 1,
    "promote_all": 1, "cancel_all": 1, "drain": 0.3, "clean": 1,
}  # fmt: skip


class Operator:
    """One client. ``ids``: those of all clients; ``sums``: how many jobs its answers said were added, removed …"""

    def __init__(self, service: QueueService, name: str, seed: int, ids: list[str]) -> None:
        self.service = service
        self.name = name
        self.ids = ids
        self.sums: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._numbers = 0

    def run(self, count: int, check: Callable[[], None]) -> None:
        """Do ``count`` things; ``check`` now and then."""
        for i in range(count):
            (name,) = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))
            try:
                answer = getattr(self, f"_{name}")()
            except (JobNotFound, WrongState, PayloadChanged) as error:
                answer = type(error).__name__
            self.answers[f"{name}: {answer}"] += 1
            if i % 100 == 99:
                check()

    def _some_id(self) -> str:
        """Mostly a recent one."""
        if not self.ids:
            return "none"
        return self._random.choice(self.ids[-60:] if self._random.random() < 0.8 else self.ids)

    def _filter(self) -> JobFilter:
        workspace, tag = self._random.choice(["", "acme", "bolt"]), self._random.choice(["", "", "red"])
        return JobFilter(workspace=workspace, tag=tag, text=self._random.choice(["", "slow"]))

    def _job(self) -> JobSpec:
        self._numbers += 1
        chance = self._random
        job_id = f"{self.name}-{self._numbers}"
        if self.ids and chance.random() < 0.05:
            job_id = self._some_id()
        return JobSpec(
            "work", {"how": chance.choice(HOW)}, job_id, delay=chance.choice([None, None, None, 0.05, 3600]),
            options={"priority": chance.choice([None, 1, 5, 9]), "workspace": chance.choice(["", "acme", "bolt"]),
                     "tags": chance.choice([None, ["red"]])},
        )  # fmt: skip

    def _take_in(self, job_id: str, status: str) -> str:
        if status == "added":
            self.sums["added"] += 1
            self.ids.append(job_id)
        return status

    def _add(self) -> str:
        job = self._job()
        result = self.service.add_job(
            QUEUE, job.actor, job.payload, id=job.id, delay=job.delay, **job.options
        )
        return self._take_in(result.id, result.status)

    def _add_many(self) -> str:
        jobs = [self._job() for _ in range(self._random.randint(1, 8))]
        for result in self.service.add_jobs(QUEUE, jobs):
            self._take_in(result.id, result.status)
        return "done"

    def _remove(self) -> str:
        answer = self.service.remove_job(QUEUE, self._some_id())
        self.sums["removed"] += answer == "done"
        return answer

    def _remove_by_force(self) -> str:
        answer = self.service.remove_job(QUEUE, self._some_id(), force=True)
        self.sums["removed"] += answer == "done"
        self.sums["told to go"] += answer == "told"
        return answer

    def _retry(self) -> str:
        answer = self.service.retry_job(QUEUE, self._some_id(), reset_attempts=self._random.random() < 0.5)
        self.sums["revived"] += answer == "done"
        return answer

    def _promote(self) -> str:
        return self.service.promote_job(QUEUE, self._some_id())

    def _cancel(self) -> str:
        return self.service.cancel_job(QUEUE, self._some_id(), "at random")

    def _reprioritise(self) -> str:
        return self.service.reprioritise_job(QUEUE, self._some_id(), self._random.choice([1, 3, 5, 9]))

    def _reschedule(self) -> str:
        return self.service.reschedule_job(QUEUE, self._some_id(), delay=self._random.choice([0, 0.05, 3600]))

    def _edit(self) -> str:
        return self.service.edit_job(QUEUE, self._some_id(), {"how": self._random.choice(HOW)})

    def _look(self) -> str:
        service, chance = self.service, self._random
        service.list_jobs(QUEUE, chance.choice(ALL_STATES), 20)
        service.get_queue_stats(QUEUE)
        service.get_events(QUEUE, limit=20)
        service.get_job_details(QUEUE, self._some_id())
        service.get_job(QUEUE, self._some_id())
        return "done"

    def _find(self) -> str:
        found = self.service.find_jobs(QUEUE, self._filter(), limit=20)
        if found.cursor is not None:
            self.service.find_jobs(QUEUE, self._filter(), limit=20, cursor=found.cursor)
        return "done"

    def _pause(self) -> str:
        return str(self.service.pause_queue(QUEUE, "at random"))

    def _resume(self) -> str:
        return str(self.service.resume_queue(QUEUE))

    def _retry_all(self) -> str:
        state = self._random.choice(["failed", "cancelled", "completed"])
        self.sums["revived"] += self.service.retry_all(QUEUE, state=state, only=self._filter())
        return state

    def _promote_all(self) -> str:
        self.service.promote_all(QUEUE, only=self._filter())
        return "done"

    def _cancel_all(self) -> str:
        state = self._random.choice(["waiting", "delayed", "blocked"])
        self.service.cancel_all(QUEUE, state=state, only=self._filter(), reason="at random")
        return state

    def _drain(self) -> str:
        self.sums["drained"] += self.service.drain_queue(QUEUE, delayed=self._random.random() < 0.3)
        return "done"

    def _clean(self) -> str:
        state = self._random.choice(["completed", "failed", "cancelled", "waiting", "delayed"])
        removed, _ = self.service.clean_queue(QUEUE, state, 0.1, self._random.choice([5, 30]))
        self.sums["cleaned"] += len(removed)
        return state
