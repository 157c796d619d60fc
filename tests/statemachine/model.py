"""What one queue does, in plain Python: lists, sorting and the words of the specification, no scores and no scripts.

The caller says what time it is; the model decides what must come of a call. It is slow and obvious on purpose.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from tests.statemachine.jobs import ENDED, End, Held, ModelJob, NewJob, Rules

#: A result that had its time while its job is still there.
GONE = 0


class Model:
    """A queue."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        #: What was said of each job since it was last looked at, in order; of the queue itself under ''.
        self.events: defaultdict[str, list[str]] = defaultdict(list)
        self.begin()

    def begin(self) -> None:
        """An empty queue that nobody has swept yet."""
        self.jobs: dict[str, ModelJob] = {}
        self.totals: Counter[str] = Counter()
        #: When the result of a job goes: at its own time, or (None) with the job; GONE when its time was before that.
        self.results: dict[str, int | None] = {}
        self.outbox = 0
        self.paused = False
        self.closed = False
        self.swept = 0
        self.tidied = 0
        #: Which process that holds other jobs empties itself for the next last start, and until when.
        self.claim: tuple[str, int] | None = None
        self._begin_lines()

    def _begin_lines(self) -> None:
        """Turns: the last one given to each workspace of a priority, and the last one served of a priority."""
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

    def to_stop(self, worker: str) -> list[str]:
        """The ids of a worker's jobs that were cancelled."""
        return [j.id for j in self.of("active") if j.mark and j.owner is not None and j.owner[0] == worker]

    # What happens to it

    def add(self, jobs: Iterable[NewJob], now: int) -> str:
        """One code a job."""
        codes = ""
        for new in jobs:
            if new.id in self.jobs:
                codes += "0"
                continue
            codes += "1"
            self.results.pop(new.id, None)
            job = self.jobs[new.id] = ModelJob(new.id, new.priority, new.workspace, new.message, now)
            self.totals["added"] += 1
            self.say("delayed" if new.delay else "added", job)
            self._wait_or_delay(job, new.delay, now)
        return codes

    def finish(self, worker: str, finishes: Iterable[tuple[Held, End]], now: int) -> str:
        """End attempts; one code each: 1 done, 0 stale. Of what ended, the newest are kept."""
        codes, touched = "", set()
        for held, end in finishes:
            if self.owns(worker, held):
                codes += "1"
                touched.add(self._end(self.jobs[held[0]], end, now))
            else:
                codes += "0"
                self.totals["stale_finishes"] += 1
        for state in touched & set(self.rules.keep):
            self.trim(state)
        return codes

    def _end(self, job: ModelJob, end: End, now: int) -> str:
        """Returns the state that it went to."""
        mark, job.mark = job.mark, None
        ran, outcome, reason = end.outcome != "b", end.outcome, end.reason
        if mark and outcome != "c":
            outcome, reason = "x", mark.reason
        self.outbox += end.sends
        if end.ttl != 0 and outcome in "cf":
            self.results[job.id] = end.ttl and now + end.ttl
        if ran:
            job.tried_at = now
            job.attempts += outcome != "d"
            job.errors += [reason] if outcome != "c" else []
        if outcome == "b":
            self._give_back(job)
        elif outcome in "rd":
            self.count_and_say("retried" if outcome == "r" else "deferred", job)
            self._wait_or_delay(job, end.delay, now)
        else:
            self.close(job, ENDED[outcome], now, reason if outcome != "c" else "")
        state = job.state
        if mark and mark.remove:
            self.remove(job)
        return state

    def trim(self, state: str) -> None:
        """Keep the newest of a finished state."""
        for job in self.of(state)[: -self.rules.keep[state]]:
            self._forget(job)

    def start(self, worker: str, held: Held) -> None:
        """A reserved job has started."""
        if self.owns(worker, held):
            self.jobs[held[0]].started = True

    def promote(self, now: int) -> None:
        """What is due lines up."""
        for job in self.of("delayed"):
            if job.at <= now:
                self.say("waiting", job)
                self.line_up(job)

    def fetch(self, worker: str, number: int, at_once: int, ahead: int, holds: int, now: int) -> list[str]:
        """A worker asks for jobs; the ids that it gets, in order."""
        if self.paused or self.closed or at_once + ahead == 0:
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
            job.owner, job.started, job.tried_at = (worker, number), place < at_once, 0
            self.say("active", job)
            self._served[job.priority] = max(self._served[job.priority], job.turn)
        return [job.id for job in got]

    def release(self, worker: str, held: Sequence[Held], now: int) -> str:
        """Unstarted jobs go back; one code a job."""
        codes = "".join("1" if self.owns(worker, each) else "0" for each in held)
        for code, (job_id, _) in zip(codes, held, strict=True):
            if code == "1":
                self._give_back_or_stop(self.jobs[job_id], now)
        return codes

    def reclaim(self, worker: str, known: Sequence[Held], now: int) -> int:
        """What a worker holds and does not know goes back."""
        unknown = [
            job for job in self.of("active")
            if job.owner is not None and job.owner[0] == worker and (job.id, job.owner[1]) not in known
        ]  # fmt: skip
        for job in unknown:
            self._give_back_or_stop(job, now)
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
                    self._forget(job)
        for job_id in [job_id for job_id, at in self.results.items() if at and at <= now]:
            if job_id in self.jobs:
                self.results[job_id] = GONE
            else:
                del self.results[job_id]
        if not self.of("waiting") and not self.of("active"):
            self._begin_lines()

    def warp(self, ms: int) -> None:
        """So much time goes by: what is in the future comes nearer."""
        for job in self.jobs.values():
            job.at, job.added, job.tried_at = job.at - ms, job.added - ms, job.tried_at - ms
        self.results = {job_id: at and at - ms for job_id, at in self.results.items()}
        self.swept -= ms
        self.tidied -= ms
        if self.claim is not None:
            self.claim = (self.claim[0], self.claim[1] - ms)

    # How

    def say(self, kind: str, job: ModelJob) -> None:
        """An event of a job."""
        self.events[job.id].append(kind)

    def count_and_say(self, kind: str, job: ModelJob) -> None:
        """What happened to a job is counted and told."""
        self.totals[kind] += 1
        self.say(kind, job)

    def line_up(self, job: ModelJob) -> None:
        """At the end of its workspace's line, and not before the turn that is being served."""
        line = job.priority, job.workspace
        self._given[line] = job.turn = max(self._given[line], self._served[job.priority]) + 1
        job.state = "waiting"

    def close(self, job: ModelJob, state: str, now: int, reason: str) -> None:
        """A job ends."""
        job.state, job.at, job.reason = state, now, reason
        self.count_and_say(state, job)

    def _forget(self, job: ModelJob) -> None:
        """A job goes because others are newer, or in time; a result that has a time of its own stays."""
        del self.jobs[job.id]
        if not self.results.get(job.id):
            self.results.pop(job.id, None)

    def erase(self, job: ModelJob) -> None:
        """A job goes, and its result with it."""
        del self.jobs[job.id]
        self.results.pop(job.id, None)

    def remove(self, job: ModelJob) -> None:
        """A job goes because somebody said so."""
        self.erase(job)
        self.count_and_say("removed", job)

    def _wait_or_delay(self, job: ModelJob, delay: int, now: int) -> None:
        if delay:
            job.state, job.at = "delayed", now + delay
        else:
            self.line_up(job)

    def _give_back(self, job: ModelJob) -> None:
        """To the very place that it had."""
        job.state, job.started, job.tried_at = "waiting", False, 0

    def _give_back_or_stop(self, job: ModelJob, now: int) -> None:
        """It runs no more: if that was wanted, it ends."""
        mark, job.mark = job.mark, None
        if mark is None:
            self._give_back(job)
            return
        self.close(job, "cancelled", now, mark.reason)
        if mark.remove:
            self.remove(job)

    def _recover(self, job: ModelJob, now: int) -> None:
        job.lost += 1
        self.say("stalled", job)
        if job.started:
            job.stalls += 1
            job.errors.append("the worker was lost")
            self.totals["stalled"] += 1
        if job.stalls > self.rules.max_stalls and not job.mark:
            self.close(job, "failed", now, f"stalled: {job.stalls} starts were lost with their worker")
        else:
            self._give_back_or_stop(job, now)
