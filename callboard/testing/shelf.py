"""One queue in memory: what the engine's scripts do to a job, on plain objects and without other processes.

A test runs the same jobs on a server and here, and compares what becomes of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from callboard.catalogue import QueueSpec
from callboard.errors import QueueFull
from callboard.records import Record
from callboard.settings import Settings
from callboard.testing.clock import Clock
from callboard.verbs.add import ADDED, DUPLICATE
from callboard.verbs.cycle import Finish

WAITING, DELAYED, ACTIVE, COMPLETED, FAILED, CANCELLED = b"w", b"d", b"a", b"c", b"f", b"x"
ENDED = (COMPLETED, FAILED, CANCELLED)

#: Scores of waiting jobs, as in tags.lua: priority × BAND + tag.
BAND = 2**43

#: The worker that all jobs run in: its id (12 characters, as everywhere).
WORKER = "inline-00000"

_NEW = Record(WAITING, 0, b"", 0, 0, 0, 0, 0, 0, 0, 0, 0, b"", b"", b"")


@dataclass(slots=True)
class Kept:
    """One job. ``place`` is its score in the list of its state, and ``turn`` its turn among those of the same score;
    ``order`` is its number among all jobs that were added."""

    stored_id: str
    payload: bytes
    record: Record
    place: int
    order: int
    turn: int
    attempts: list[list[Any]] = field(default_factory=list)
    log: list[tuple[int, str]] = field(default_factory=list)
    progress: str = ""
    checkpoints: dict[str, str] = field(default_factory=dict)
    result: bytes | None = None
    result_until: float | None = None

    def change(self, **fields: Any) -> None:
        """Change fields of the record."""
        self.record = self.record._replace(**fields)


class Shelf:
    """The jobs of a queue, by stored id, in the order in which they were added."""

    def __init__(self, spec: QueueSpec, settings: Settings, clock: Clock) -> None:
        self.spec = spec
        self.jobs: dict[str, Kept] = {}
        self.totals: dict[str, int] = {}
        self._settings = settings
        self._clock = clock
        self._tags: dict[tuple[int, bytes | None], int] = {}
        self._ends = 0
        #: Why running jobs were cancelled, by stored id.
        self.cancels: dict[str, str] = {}

    # What producers do

    def add(self, rows: Sequence[Sequence[Any]], first: int) -> str:
        """Add jobs, all or none; ``first`` is the order of the first one. A row is one of ``NewJob.row``.

        Returns: one code a job. Raises: QueueFull.
        """
        now = self._clock.now_ms
        self.promote()
        new = {row[0] for row in rows} - self.jobs.keys()
        most = self.spec.max_length
        if most is not None and new and len(self.of(WAITING)) + len(self.of(DELAYED)) + len(new) > most:
            raise QueueFull(f"queue {self.spec.name!r} is full: it takes {most} waiting and delayed jobs")
        codes = []
        for order, (stored_id, payload, priority, workspace, delay, due, *_) in enumerate(rows, first):
            codes.append(DUPLICATE if stored_id in self.jobs else ADDED)
            if codes[-1] == DUPLICATE:
                continue
            record = _NEW._replace(priority=priority, workspace=workspace.encode(), added=now)
            kept = self.jobs[stored_id] = Kept(stored_id, payload, record, 0, order, order)
            self.count("added")
            self.put(kept, due or now + delay)
        return "".join(codes)

    def put(self, kept: Kept, due: int) -> None:
        """Let a job wait, or be delayed until ``due`` (ms)."""
        if due > self._clock.now_ms:
            kept.change(state=DELAYED)
            kept.place = due
        else:
            kept.change(state=WAITING)
            kept.place = self._next_place(kept.record)

    def _next_place(self, record: Record) -> int:
        priority, workspace = record.priority, record.workspace if self.spec.fair else b""
        tag = max(self._tags.get((priority, workspace), 0), self._tags.get((priority, None), 0)) + 1
        self._tags[priority, workspace] = tag
        return priority * BAND + tag

    # What workers do

    def of(self, state: bytes) -> list[Kept]:
        """The jobs in a state, in the order in which they run or ended."""
        found = [kept for kept in self.jobs.values() if kept.record.state == state]
        return sorted(found, key=lambda kept: (kept.place, kept.turn))

    def promote(self) -> None:
        """What is due waits."""
        for kept in self.of(DELAYED):
            if kept.place <= self._clock.now_ms:
                kept.change(ready=kept.place)
                self.put(kept, 0)

    def head(self) -> Kept | None:
        """The waiting job that runs next."""
        self.promote()
        return next(iter(self.of(WAITING)), None)

    def next_due(self) -> int | None:
        """When the next delayed job is due (ms)."""
        return min((kept.place for kept in self.of(DELAYED)), default=None)

    def take(self, kept: Kept, number: int) -> None:
        """A waiting job starts, under the number of its fetch."""
        priority, tag = divmod(kept.place, BAND)
        self._tags[priority, None] = max(tag, self._tags.get((priority, None), 0))
        kept.change(
            state=ACTIVE, score=kept.place, started=self._clock.now_ms, duration=0, number=number,
            worker=WORKER.encode(),
        )  # fmt: skip
        kept.place = self._clock.now_ms + self.spec.lease_ms

    def holds(self, kept: Kept, number: int) -> bool:
        """Whether the fetch of this number holds the job."""
        return kept.record.state == ACTIVE and kept.record.number == number

    def finish(self, finish: Finish) -> list[Sequence[Any]]:
        """An attempt ends. Returns: the messages that it leaves, none when it holds the job no more."""
        stored_id, number, outcome, duration, given = finish
        kept = self.jobs.get(stored_id)
        if kept is None or not self.holds(kept, number):
            self.count("stale_finishes")
            return []
        extra, unstarted = given or {}, False
        reason = self.cancels.pop(stored_id, None)
        if reason is not None and outcome != "c":
            extra, unstarted, outcome = {**extra, "reason": reason}, outcome == "b", "x"
        if "result" in extra:
            ttl = extra.get("result_ttl")
            kept.result = extra["result"]
            kept.result_until = None if ttl is None else self._clock.now_ms + ttl
        if outcome == "c":
            self._end(kept, COMPLETED, duration, "")
            kept.change(attempts=kept.record.attempts + 1)
        elif outcome == "b":
            self._give_back(kept, extra)
        else:
            self._end_otherwise(kept, outcome, duration, extra, unstarted)
        messages: list[Sequence[Any]] = extra.get("outbox", [])
        return messages

    def _end(self, kept: Kept, state: bytes, duration: int, reason: str) -> None:
        kept.change(state=state, duration=duration, reason=reason.encode())
        self._ends += 1
        kept.place, kept.turn = self._clock.now_ms, self._ends
        self.count({COMPLETED: "completed", FAILED: "failed", CANCELLED: "cancelled"}[state])

    def _give_back(self, kept: Kept, extra: dict[str, Any]) -> None:
        kept.change(state=WAITING, started=0, options=extra.get("options", kept.record.options))
        kept.place = kept.record.score

    def _end_otherwise(self, kept: Kept, outcome: str, duration: int, extra: dict[str, Any], unstarted: bool) -> None:
        now, record = self._clock.now_ms, kept.record
        kept.change(options=extra.get("options", record.options))
        reason = extra.get("reason", "")
        if not unstarted:
            error = extra.get("error") or ("", reason, "")
            self._note_attempt(kept, outcome, error)
            kept.change(duration=duration, attempts=record.attempts + (outcome != "d"))
        if outcome in ("r", "d"):
            self.count("retried" if outcome == "r" else "deferred")
            kept.change(ready=now + extra.get("delay", 0))
            self.put(kept, kept.record.ready)
        else:
            self._end(kept, FAILED if outcome == "f" else CANCELLED, duration, reason)

    def stall(self, kept: Kept) -> None:
        """The worker of a running job is lost."""
        record = kept.record
        self._note_attempt(kept, "s", ("Stalled", "the worker was lost", ""))
        self.count("stalled")
        kept.change(stalls=record.stalls + 1, lost=record.lost + 1)
        cancelled = self.cancels.pop(kept.stored_id, None)
        if cancelled is not None:
            self._end(kept, CANCELLED, 0, cancelled)
        elif record.stalls + 1 > self.spec.max_stalls:
            self._end(kept, FAILED, 0, f"stalled: {record.stalls + 1} starts were lost with their worker")
        else:
            self._give_back(kept, {})

    def _note_attempt(self, kept: Kept, outcome: str, error: Sequence[str]) -> None:
        number, started = kept.record.attempts + 1, kept.record.started
        kept.attempts.append([number, WORKER, started, self._clock.now_ms, outcome, *error])
        del kept.attempts[: -self._settings.attempts_kept]

    # What operators do

    def cancel(self, kept: Kept, reason: str) -> None:
        """Cancel a job that has not started."""
        self._end(kept, CANCELLED, 0, reason)

    def wait_again(self, kept: Kept, *, reset_attempts: bool) -> None:
        """An ended job waits again."""
        kept.result, kept.result_until, kept.turn = None, None, kept.order
        kept.change(reason=b"", stalls=0, lost=0, ready=self._clock.now_ms, started=0, duration=0)
        if reset_attempts:
            kept.change(attempts=0)
        self.put(kept, 0)
        self.count("retried")
        self.count("revived")

    def count(self, what: str) -> None:
        """Count something in the totals."""
        self.totals[what] = self.totals.get(what, 0) + 1
