"""Verbs on many jobs, in bounded steps: retry_all, promote_all, cancel_all, drain, clean, find, obliterate.

A step looks at a bounded number of jobs, so that Redis is never held for long, and the steps of a run leave Redis free
for most of the time. A run can be interrupted and repeated, and two runs at once do no harm: each step is one script.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import string
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any

from callboard.catalogue import QueueSpec
from callboard.door import check_within
from callboard.errors import InvalidOption, QueueBusy
from callboard.ids import unpack_id
from callboard.packing import pack
from callboard.records import JobView, job_view
from callboard.store.store import Store
from callboard.verbs.looking import MAX_PAGE
from callboard.verbs.steering import ALL_STATES, check_reason

#: Jobs that a step looks at: those that may move each, and those that are only read.
_STEP_MOVING, _STEP_LOOKING = 100, 500

#: Jobs that a call of :func:`find` may look at, and that one of :func:`clean` may remove, at most.
MAX_BUDGET, MAX_CLEANED = 1_000_000, 100_000

#: After a step a run rests this many times as long as the step took, so that workers keep their share of Redis.
_REST = 2.0

#: As Lua's ``string.lower`` does it.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)

#: What a run reports after each step: (changed so far, looked at so far).
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs are meant: all conditions that are given must hold. Times are those at which a job was added.

    ``text`` is looked for in the stored payload, the reason and the errors of attempts; the case of ASCII letters does
    not matter. Actor and tags are those of messages in Dramatiq's JSON.
    """

    actor: str = ""
    workspace: str = ""
    tag: str = ""
    text: str = ""
    added_after: datetime | None = None
    added_before: datetime | None = None

    def packed(self) -> bytes:
        """As ``select.lua`` takes it.

        Raises: InvalidOption when a time has no zone, or a text cannot be in a job.
        """
        actor = f'{{"a":{json.dumps(self.actor)},' if self.actor else ""
        text = self.text.translate(_LOWER)
        times = [_ms(self.added_after), _ms(self.added_before)]
        try:
            return pack([
                actor, self.workspace, self.tag, json.dumps(self.tag)[1:-1], text, json.dumps(text)[1:-1], *times
            ])  # fmt: skip
        except (UnicodeEncodeError, TypeError) as error:
            raise InvalidOption(f"a filter is of text: {error}") from error


def _ms(moment: datetime | None) -> int:
    if moment is None:
        return 0
    if moment.tzinfo is None:
        raise InvalidOption("times in a filter need a time zone")
    return int(moment.timestamp() * 1000)


def _run(step: Callable[[int, bytes, bytes], Sequence[Any]], progress: Progress | None) -> int:
    """Take steps until one says that it is through. A step takes and gives until when something must have happened to
    be meant (ms; 0 at first), and from where to go on; it gives (changed, looked at, score, id, until)."""
    score = job_id = b""
    changed: int = 0
    looked: int = 0
    until: int = 0
    while True:
        began = time.monotonic()
        more, seen, score, job_id, until = step(until, score, job_id)
        changed, looked = changed + more, looked + seen
        if progress is not None:
            progress(changed, looked)
        if not score:
            return changed
        _rest(began)


def _rest(began: float) -> None:
    """Leave Redis to others after a step that began at ``began`` (monotonic seconds)."""
    Event().wait(min(_REST * (time.monotonic() - began), 0.1))


def retry_all(
    store: Store,
    spec: QueueSpec,
    *,
    state: str = "failed",
    only: JobFilter | None = None,
    reset_attempts: bool = False,
    progress: Progress | None = None,
) -> int:
    """Let the ended jobs of ``state`` wait again, at their own priority; those that end meanwhile are left alone.

    Returns: how many. Raises: InvalidOption for a state whose jobs have not ended.
    """
    _check_state(state, ("completed", "failed", "cancelled"))
    packed = (only or JobFilter()).packed()

    def step(until: int, score: bytes, job_id: bytes) -> Sequence[Any]:
        return list(store.call("retry_all", spec.name, (
            state, packed, until, score, job_id, _STEP_MOVING, int(reset_attempts), int(spec.fair),
            store.settings.events_max,
        )))  # fmt: skip

    return _run(step, progress)


def promote_all(
    store: Store, spec: QueueSpec, *, only: JobFilter | None = None, progress: Progress | None = None
) -> int:
    """Let delayed jobs wait now, at their own priority; those that are delayed meanwhile are left alone.

    Returns: how many.
    """
    packed = (only or JobFilter()).packed()

    def step(until: int, score: bytes, job_id: bytes) -> Sequence[Any]:
        args = (packed, until, score, job_id, _STEP_MOVING, int(spec.fair), store.settings.events_max)
        return list(store.call("promote_all", spec.name, args))

    return _run(step, progress)


def cancel_all(
    store: Store,
    spec: QueueSpec,
    *,
    state: str = "waiting",
    only: JobFilter | None = None,
    reason: str = "",
    progress: Progress | None = None,
) -> int:
    """Cancel the jobs of ``state`` (waiting, delayed, blocked); those that are added meanwhile are left alone.

    Returns: how many.
    """
    _check_state(state, ("waiting", "delayed", "blocked"))
    packed, total, why = (only or JobFilter()).packed(), 0, check_reason(reason)
    for key in _keys_of(state):

        def step(until: int, score: bytes, job_id: bytes, key: str = key) -> Sequence[Any]:
            return list(store.call("cancel_all", spec.name, (
                key, packed, until, score, job_id, _STEP_MOVING, why, spec.keep_completed, store.settings.events_max,
            )))  # fmt: skip

        total += _run(step, progress)
    return total


def drain(store: Store, spec: QueueSpec, *, delayed: bool = False, progress: Progress | None = None) -> int:
    """Remove what waits, and what is delayed if asked; never active, ended or blocked jobs. Returns: how many."""
    total = 0
    for key in ("waiting", "held", *(("delayed",) if delayed else ())):
        # What is added while it drains may stay: a busy producer must not make this endless.
        left = store.execute("ZCARD", store.key(spec.name, key))
        while left > 0:
            began = time.monotonic()
            removed = store.call("drain", spec.name, (key, min(left, _STEP_MOVING), store.settings.events_max))
            if not removed:
                break
            left, total = left - removed, total + removed
            if progress is not None:
                progress(total, total)
            _rest(began)
    return total


def clean(
    store: Store, spec: QueueSpec, state: str, older_than: Any, limit: int = 1_000
) -> tuple[list[str], bool]:
    """Remove jobs of ``state`` (any but active and blocked) that are older than ``older_than`` seconds, at most
    ``limit`` (1…100,000) of them: since their end for ended jobs, oldest first; since their add for others, in the
    order in which they would run.

    Returns: the ids removed, and whether there may be more.
    """
    _check_state(state, ("completed", "failed", "cancelled", "waiting", "delayed"))
    age_ms = _age_ms(older_than)
    check_within("limit", limit, 1, MAX_CLEANED)
    removed: list[str] = []
    for key in _keys_of(state):
        score = job_id = b""
        while True:
            if len(removed) >= limit:
                return removed, True
            began = time.monotonic()
            step = min(_STEP_MOVING, limit - len(removed))
            args = (key, age_ms, step, score, job_id, store.settings.events_max)
            ids, score, job_id = store.call("clean", spec.name, args)
            removed += [unpack_id(stored.decode()) for stored in ids]
            if not score:
                break
            _rest(began)
    return removed, False


def count_old(store: Store, spec: QueueSpec, state: str, older_than: float) -> int:
    """How many jobs of ``state`` (completed, failed, cancelled) ended more than ``older_than`` seconds ago: what
    :func:`clean` would remove. One look, however many they are."""
    _check_state(state, ("completed", "failed", "cancelled"))
    return int(store.call("count_old", spec.name, (state, _age_ms(older_than))))


def _age_ms(older_than: Any) -> int:
    if not isinstance(older_than, int | float) or not 0 <= older_than < math.inf:
        raise InvalidOption(f"older_than {older_than!r} is not a number of seconds, at least 0")
    return int(older_than * 1000)


def obliterate(store: Store, spec: QueueSpec, *, force: bool = False) -> None:
    """Remove a queue's every key. From the first step on it takes no jobs and starts none.

    Raises: QueueBusy while jobs are active or the outbox is not empty, unless forced; the queue is open again then.
    """
    for stage in ("close", "remove"):
        code, active, outbox = store.call("obliterate", spec.name, (stage, int(force)))
        if code != 1:
            raise QueueBusy(
                f"queue {spec.name!r} has {active} active jobs and {outbox} messages in its outbox: "
                "pause it and wait, or force it and lose them"
            )


@dataclass(frozen=True, slots=True)
class Found:
    """A page of found jobs; ``cursor`` continues the search, None when it is through; ``looked_at`` jobs were read."""

    jobs: list[JobView]
    cursor: str | None
    looked_at: int


def find(
    store: Store,
    queue: str,
    only: JobFilter,
    *,
    states: Sequence[str] = ALL_STATES,
    limit: int = 50,
    cursor: str | None = None,
    budget: int = 20_000,
) -> Found:
    """Look for jobs of ``queue`` in ``states``, in the order of these, at most ``limit`` a page.

    Stops early after having looked at ``budget`` jobs, with a cursor to go on from.

    Raises: InvalidOption for unknown states, a limit outside 1…200, or a cursor that is not one.
    """
    for state in states:
        _check_state(state, ALL_STATES)
    check_within("limit", limit, 1, MAX_PAGE)
    check_within("budget", budget, 1, MAX_BUDGET)
    keys = [key for state in states for key in _keys_of(state)]
    place, score, job_id = _read_place(cursor, len(keys))
    packed, looked = only.packed(), 0
    jobs: list[JobView] = []
    while place < len(keys):
        args = (keys[place], packed, score, job_id, _STEP_LOOKING, limit - len(jobs))
        rows, seen, score, job_id = store.call("find", queue, args)
        jobs += list(_views(queue, rows))
        looked += seen
        if not score:
            place += 1
        if len(jobs) >= limit or looked >= budget:
            break
    through = place >= len(keys)
    return Found(jobs, None if through else _write_place(place, score, job_id), looked)


def _views(queue: str, rows: Sequence[Any]) -> Iterator[JobView]:
    for i in range(0, len(rows), 4):
        yield job_view(queue, rows[i], rows[i + 2], rows[i + 3], float(rows[i + 1]))


def _write_place(place: int, score: bytes, job_id: bytes) -> str:
    return base64.urlsafe_b64encode(b"%d %s %s" % (place, score, job_id)).decode().rstrip("=")


def _read_place(cursor: str | None, places: int) -> tuple[int, bytes, bytes]:
    if cursor is None:
        return 0, b"", b""
    try:
        found = _PLACE.fullmatch(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        found = None
    if found is None or int(found[1]) >= places:
        raise InvalidOption("the cursor is not one that a search returned; start again without it")
    return int(found[1]), found[2] or b"", found[3] or b""


#: A cursor: place in the keys, then score and id of the last job looked at there, if any.
_PLACE = re.compile(rb"(\d{1,2}) (?:(\d{1,17}) ([!-~]{1,128})| )")


def _keys_of(state: str) -> tuple[str, ...]:
    return ("waiting", "held") if state == "waiting" else (state,)


def _check_state(state: str, allowed: Sequence[str]) -> None:
    if state not in allowed:
        raise InvalidOption(f"state {state!r} is none of {', '.join(allowed)}")
