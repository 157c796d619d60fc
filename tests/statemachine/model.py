"""What one queue does, in plain Python: lists, sorting and the words of the specification, no scores and no scripts.

The caller says what time it is; the model decides what must come of a call. It is slow and obvious on purpose.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PENDING = ("waiting", "delayed", "active")
ENDED = {"c": "completed", "f": "failed", "x": "cancelled"}

#: (job id, number of the fetch that got it)
Held = tuple[str, int]


@dataclass
class ModelJob:
    """One job. Times in ms; ``at`` is when it is due, its lease runs out, or when it ended, as its state has it."""

    id: str
    priority: int
    workspace: str
    state: str = "waiting"
    at: int = 0
    turn: int = 0
    owner: tuple[str, int] | None = None
    started: bool = False
    attempts: int = 0
    stalls: int = 0
    lost: int = 0
    history: int = 0


@dataclass(frozen=True)
class Rules:
    """What the catalogue says of the queue; times in ms, ``keep`` and ``keep_ms`` by state."""

    lease: int
    tidy_every: int
    max_stalls: int
    keep: dict[str, int]
    keep_ms: dict[str, int]


class Model:
    """A queue."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.jobs: dict[str, ModelJob] = {}
        self.totals: Counter[str] = Counter()
        self.results: dict[str, int] = {}
        self.outbox = 0
        self.paused = False
        self.swept = 0
        self.tidied = 0
        #: Which process that holds other jobs empties itself for the next last start, and until when.
        self.claim: tuple[str, int] | None = None
        #: Turns: the last one given to each workspace of a priority, and the last one served of a priority.
        self._given: Counter[tuple[int, str]] = Counter()
        self._served: Counter[int] = Counter()

    # What can be seen

    def of(self, state: str) -> list[ModelJob]:
        """The jobs of a state in their order."""
        jobs = [job for job in self.jobs.values() if job.state == state]
        if state == "waiting":
            return sorted(jobs, key=lambda job: (job.priority, job.turn, job.id))
        return sorted(jobs, key=lambda job: (job.at, job.id))

    def owns(self, worker: str, held: Held) -> bool:
        """Whether a worker's fetch still owns a job."""
        job = self.jobs.get(held[0])
        return job is not None and job.state == "active" and job.owner == (worker, held[1])

    def is_last_start(self, job: ModelJob) -> bool:
        """Whether one more lost start fails the job."""
        return 0 < job.stalls >= self.rules.max_stalls

    # What happens to it

    def add(self, jobs: Iterable[tuple[str, int, str, int]], now: int) -> str:
        """Add (id, priority, workspace, delay); one code a job."""
        codes = ""
        for job_id, priority, workspace, delay in jobs:
            if job_id in self.jobs:
                codes += "0"
                continue
            codes += "1"
            job = self.jobs[job_id] = ModelJob(job_id, priority, workspace)
            self.totals["added"] += 1
            self._wait_or_delay(job, delay, now)
        return codes

    def finish(self, worker: str, held: Held, outcome: str, now: int, delay: int, ttl: int, sends: int) -> str:
        """End an attempt; 1 done, 0 stale."""
        if not self.owns(worker, held):
            self.totals["stale_finishes"] += 1
            return "0"
        job = self.jobs[held[0]]
        self.outbox += sends
        if ttl:
            self.results[job.id] = now + ttl
        if outcome == "b":
            self._give_back(job)
            return "1"
        job.started = True
        job.attempts += outcome != "d"
        job.history += outcome != "c"
        if outcome in "rd":
            self.totals["retried" if outcome == "r" else "deferred"] += 1
            self._wait_or_delay(job, delay, now)
        else:
            job.state, job.at = ENDED[outcome], now
            self.totals[job.state] += 1
        return "1"

    def trim(self, state: str) -> None:
        """Keep the newest of a finished state."""
        for job in self.of(state)[: -self.rules.keep[state]]:
            del self.jobs[job.id]

    def start(self, worker: str, held: Held) -> None:
        """A reserved job has started."""
        if self.owns(worker, held):
            self.jobs[held[0]].started = True

    def promote(self, now: int) -> None:
        """What is due lines up."""
        for job in self.of("delayed"):
            if job.at <= now:
                self._line_up(job)

    def fetch(self, worker: str, number: int, at_once: int, ahead: int, holds: int, now: int) -> list[str]:
        """A worker asks for jobs; the ids that it gets, in order."""
        if self.paused or at_once + ahead == 0:
            return []
        got: list[ModelJob] = []
        for job in self.of("waiting"):
            if len(got) == at_once + ahead:
                break
            if self.is_last_start(job):
                if not holds and not got:
                    self.claim = None
                    got.append(job)
                    break
                if self.claim is None or self.claim[1] <= now:
                    self.claim = (worker, now + self.rules.lease)
                continue
            if job.lost and len(got) >= at_once:
                break
            got.append(job)
        for place, job in enumerate(got):
            job.state, job.at = "active", now + self.rules.lease
            job.owner, job.started = (worker, number), place < at_once
            self._served[job.priority] = max(self._served[job.priority], job.turn)
        return [job.id for job in got]

    def release(self, worker: str, held: Sequence[Held]) -> str:
        """Unstarted jobs go back; one code a job."""
        codes = "".join("1" if self.owns(worker, each) else "0" for each in held)
        for code, (job_id, _) in zip(codes, held, strict=True):
            if code == "1":
                self._give_back(self.jobs[job_id])
        return codes

    def reclaim(self, worker: str, known: Sequence[Held]) -> int:
        """What a worker holds and does not know goes back."""
        unknown = [
            job for job in self.of("active")
            if job.owner is not None and job.owner[0] == worker and (job.id, job.owner[1]) not in known
        ]  # fmt: skip
        for job in unknown:
            self._give_back(job)
        return len(unknown)

    def extend(self, worker: str, held: Sequence[Held], expiry: int) -> str:
        """Leases are renewed until ``expiry``; one code a job."""
        for each in held:
            if self.owns(worker, each):
                self.jobs[each[0]].at = expiry
        return "".join("1" if self.owns(worker, each) else "0" for each in held)

    def sweep(self, now: int) -> list[str]:
        """Housekeeping; the ids that were recovered."""
        fresh = now + self.rules.lease
        blind = not 0 <= now - self.swept <= self.rules.lease / 2
        self.swept = now
        recovered = []
        for job in self.of("active"):
            if blind or job.at > fresh:
                job.at = fresh
            elif job.at <= now:
                recovered.append(job.id)
                self._recover(job, now)
        self.promote(now)
        if not 0 <= now - self.tidied < self.rules.tidy_every:
            self.tidied = now
            self._tidy(now)
        return recovered

    def _tidy(self, now: int) -> None:
        """What has had its time goes."""
        for state, age in self.rules.keep_ms.items():
            for job in self.of(state):
                if job.at <= now - age:
                    del self.jobs[job.id]
        self.results = {job_id: at for job_id, at in self.results.items() if at > now}

    def warp(self, ms: int) -> None:
        """So much time goes by: what is in the future comes nearer."""
        for job in self.jobs.values():
            job.at -= ms
        self.results = {job_id: at - ms for job_id, at in self.results.items()}
        self.swept -= ms
        self.tidied -= ms
        if self.claim is not None:
            self.claim = (self.claim[0], self.claim[1] - ms)

    # How

    def _line_up(self, job: ModelJob) -> None:
        """At the end of its workspace's line, and not before the turn that is being served."""
        line = job.priority, job.workspace
        self._given[line] = job.turn = max(self._given[line], self._served[job.priority]) + 1
        job.state = "waiting"

    def _wait_or_delay(self, job: ModelJob, delay: int, now: int) -> None:
        if delay:
            job.state, job.at = "delayed", now + delay
        else:
            self._line_up(job)

    def _give_back(self, job: ModelJob) -> None:
        """To the very place that it had."""
        job.state, job.started = "waiting", False

    def _recover(self, job: ModelJob, now: int) -> None:
        job.lost += 1
        if job.started:
            job.stalls += 1
            job.history += 1
            self.totals["stalled"] += 1
        if job.stalls > self.rules.max_stalls:
            job.state, job.at = "failed", now
            self.totals["failed"] += 1
        else:
            self._give_back(job)
