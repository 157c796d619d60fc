"""A page of due schedules, dealt with: looked at, their ticks added queue by queue in one round trip, moved on."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass

from callboard.catalogue import Catalogue
from callboard.errors import BadRequest, CallboardError, StoreUnavailable
from callboard.registry import ActorRegistry
from callboard.schedules.admission import Admission
from callboard.schedules.definition import Definition, decoded
from callboard.schedules.state import Entry
from callboard.schedules.times import Times, due_ms, job_id
from callboard.schedules.turn import Look, Settled, look, put_off, settle
from callboard.store.store import Call, Store
from callboard.verbs import schedules
from callboard.verbs.add import MAX_BATCH_BYTES, MAX_BATCH_JOBS, NewJob
from callboard.verbs.schedules import Due

logger = logging.getLogger("callboard.schedules")

#: When schedules are looked at again whose queue cannot be reached, or that cannot be dealt with at all (ms).
_UNREACHABLE_MS, _BROKEN_MS = 5_000, 60_000

#: Schedules of which the parsed definition is kept.
_KEPT = 50_000


@dataclass(slots=True)
class _Plan:
    """One schedule of a page: what is to be done, and what has come of it. ``reached``: its queue has answered."""

    entry: Entry
    definition: Definition
    seen: Look
    jobs: list[NewJob]
    outcomes: list[tuple[str, str]]
    error: str = ""
    reached: bool = True


class Ticking:
    """Deals with pages of due schedules. For one thread."""

    def __init__(self, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue
        self._admission = Admission(ActorRegistry(store), catalogue, store.settings)
        #: Parsed definitions: id -> (revision, definition, its times).
        self._parsed: dict[str, tuple[int, Definition, Times]] = {}

    def page(self) -> tuple[int, int]:
        """Deal with what is due now.

        Returns: (when this page was found, when the next look is due: ms, 0 when nothing is foreseen).
        Raises: StoreUnavailable, StoreRefused: what was not dealt with is still due.
        """
        due = schedules.due(self._store)
        if not due.entries and not due.marks:
            return due.now_ms, due.next_ms
        settled: list[Settled] = []
        plans: list[_Plan] = []
        for entry in due.entries:
            try:
                plans.append(self._plan(entry, due.now_ms))
            except CallboardError:
                raise  # Redis is away, for this one as for all
            except Exception:
                # One that cannot be read must not hold up the others.
                logger.exception("schedule %s cannot be dealt with", entry.id)
                settled.append(put_off(entry, due.now_ms + _BROKEN_MS))
        self._add(plans, due.now_ms)
        settled += [self._settled(plan, due.now_ms) for plan in plans]
        schedules.done(self._store, settled, self._forget(due))
        looks = [each.look_ms for each in settled if each.look_ms]
        return due.now_ms, min(filter(None, [due.next_ms, *looks]), default=0)

    def _plan(self, entry: Entry, now_ms: int) -> _Plan:
        definition, times = self._parse(entry)
        seen = look(times, definition, entry, now_ms)
        plan = _Plan(entry, definition, seen, [], [])
        for tick in seen.ticks:
            try:
                job = self._admission.job(definition, job_id(entry.id, tick), due_ms(definition, tick), now_ms)
            except BadRequest as error:
                plan.error = f"{type(error).__name__}: {error}"
                logger.warning("schedule %s: its job was not added: %s", entry.id, plan.error)
                break
            plan.jobs.append(job)
        return plan

    def _parse(self, entry: Entry) -> tuple[Definition, Times]:
        known = self._parsed.get(entry.id)
        if known is None or known[0] != entry.revision:
            if len(self._parsed) >= _KEPT:
                self._parsed.clear()
            definition = decoded(entry.definition)
            known = self._parsed[entry.id] = entry.revision, definition, Times(definition)
        return known[1], known[2]

    def _add(self, plans: list[_Plan], now_ms: int) -> None:
        """Add the jobs of all plans, those of a queue together."""
        by_queue: dict[str, list[_Plan]] = defaultdict(list)
        for plan in plans:
            if plan.jobs:
                by_queue[plan.definition.queue].append(plan)
        batches = [batch for some in by_queue.values() for batch in _batches(some)]
        calls = [self._call(batch, now_ms) for batch in batches]
        for batch, reply in zip(batches, self._replies(calls), strict=True):
            queue = batch[0].definition.queue
            if isinstance(reply, Exception):
                logger.warning("the schedules of queue %s have to wait: %s", queue, reply)
            answer = "late" if isinstance(reply, Exception) else schedules.ticked(reply)
            if isinstance(answer, list):
                codes = iter(answer)
                for plan in batch:
                    plan.outcomes = [next(codes) for _ in plan.jobs]
            for plan in batch:
                plan.reached = answer != "late"
                if answer == "closed":
                    plan.error = f"queue {queue!r} is being obliterated and takes no jobs"

    def _replies(self, calls: list[Call]) -> list[object]:
        """In one round trip; when a queue cannot be reached, one by one, so that the others need not wait for it."""
        if not calls:
            return []
        try:
            return list(self._store.pipeline(calls))
        except StoreUnavailable:
            if len(calls) == 1:
                raise
        replies: list[object] = []
        for verb, queue, args in calls:
            try:
                replies.append(self._store.call(verb, queue, args))
            except CallboardError as error:
                replies.append(error)
        return replies

    def _call(self, batch: list[_Plan], now_ms: int) -> Call:
        spec = self._catalogue[batch[0].definition.queue]
        ticks = [
            (plan.definition, tick, job)
            for plan in batch
            for tick, job in zip(plan.seen.ticks, plan.jobs, strict=False)
        ]
        return schedules.tick_call(spec, self._store.settings.events_max, now_ms, ticks)

    def _settled(self, plan: _Plan, now_ms: int) -> Settled:
        if not plan.reached:
            return put_off(plan.entry, now_ms + _UNREACHABLE_MS)
        return settle(plan.definition, plan.entry, plan.seen, plan.outcomes, now_ms, plan.error)

    def _forget(self, due: Due) -> list[str]:
        """Let queues forget schedules that have left them. Returns: the marks that are dealt with."""
        known = [mark for mark in due.marks if mark[1] in self._catalogue]
        replies = self._replies([schedules.forget_call(queue, name, since) for _, queue, name, since in known])
        kept = {mark[0] for mark, reply in zip(known, replies, strict=True) if isinstance(reply, Exception)}
        return [mark[0] for mark in due.marks if mark[0] not in kept]


def _batches(plans: list[_Plan]) -> list[list[_Plan]]:
    """Plans of one queue, cut where a call would be too large; those of one schedule stay together."""
    batches: list[list[_Plan]] = []
    jobs = size = 0
    for plan in plans:
        weight = sum(len(job.payload) for job in plan.jobs)
        if not batches or jobs + len(plan.jobs) > MAX_BATCH_JOBS or size + weight > MAX_BATCH_BYTES:
            batches.append([])
            jobs = size = 0
        batches[-1].append(plan)
        jobs += len(plan.jobs)
        size += weight
    return batches
