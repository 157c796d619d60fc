"""stats, list, get: what is there, without changing anything; and pause, resume."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Any

from callboard.door import check_within
from callboard.errors import InvalidOption, JobNotFound
from callboard.ids import check_id, pack_id
from callboard.records import JobView, job_view
from callboard.store.store import Call, Store

#: The largest page of a list.
MAX_PAGE = 200

#: A cursor: score and id of the last job seen.
_PLACE = re.compile(r"([0-9]{1,17}) ([!-~]{1,128})")

#: State -> the key that lists it, and whether the newest come first by default.
_LISTS = {"waiting": False, "held": False, "delayed": False, "blocked": False, "active": False,
          "completed": True, "failed": True, "cancelled": True}  # fmt: skip


@dataclass(frozen=True, slots=True)
class QueueStats:
    """A queue at a glance. Counts are jobs; times are ms since the epoch by Redis' clock, 0 where there is none.

    ``at_ms``: when it was looked at.
    """

    queue: str
    waiting: int
    delayed: int
    active: int
    blocked: int
    completed: int
    failed: int
    cancelled: int
    limited: int
    outbox: int
    paused: bool
    paused_since_ms: int
    paused_reason: str
    paused_by: str
    oldest_waiting_age_s: float
    next_due_ms: int
    totals: dict[str, int] = field(default_factory=dict)
    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class JobPage:
    """One page of a list. ``cursor`` continues it; None on the last page."""

    jobs: list[JobView]
    total: int
    cursor: str | None


def stats_call(queue: str) -> Call:
    """The call of a queue's stats."""
    return "stats", queue, ()


def queue_stats(queue: str, reply: list[Any]) -> QueueStats:
    """The reply of a stats call, named."""
    (now, waiting, held, delayed, blocked, active, completed, failed, cancelled, outbox, paused, reason, who, oldest,
     next_due, totals) = reply  # fmt: skip
    return QueueStats(
        queue=queue, waiting=waiting + held, delayed=delayed, active=active, blocked=blocked, completed=completed,
        failed=failed, cancelled=cancelled, limited=held, outbox=outbox, paused=paused > 0, paused_since_ms=paused,
        paused_reason=reason.decode(), paused_by=who.decode(),
        oldest_waiting_age_s=max(0, now - oldest) / 1000 if oldest else 0.0, next_due_ms=next_due,
        totals={totals[i].decode(): int(totals[i + 1]) for i in range(0, len(totals), 2)}, at_ms=now,
    )  # fmt: skip


def get_job(store: Store, queue: str, job_id: str) -> JobView:
    """One job with its attempts.

    Raises: InvalidOption when ``job_id`` cannot be an id, JobNotFound, StoreUnavailable.
    """
    stored = pack_id(check_id(job_id))
    reply = store.call("get", queue, (stored,))
    if reply is None:
        raise JobNotFound(f"no job {job_id!r} in queue {queue!r}: it never was, or its retention has passed")
    payload, packed, score, attempts = reply
    return job_view(queue, stored.encode(), payload, packed, float(score), attempts)


def list_jobs(
    store: Store, queue: str, state: str, *, limit: int = 50, cursor: str | None = None, newest: bool | None = None
) -> JobPage:
    """A page of the jobs in ``state``: finished states newest first, others in the order in which they will run.

    Raises: InvalidOption for an unknown state, a limit outside 1…200 or a cursor that is not one; StoreUnavailable.
    """
    if state not in _LISTS:
        raise InvalidOption(f"unknown state {state!r}; one of {', '.join(_LISTS)}")
    check_within("limit", limit, 1, MAX_PAGE)
    reverse = _LISTS[state] if newest is None else newest
    score, after = _read_cursor(cursor)
    total, rows = store.call("list", queue, (state, limit, int(reverse), score, after))
    jobs = [job_view(queue, rows[i], rows[i + 2], rows[i + 3], float(rows[i + 1])) for i in range(0, len(rows), 4)]
    following = _write_cursor(rows[-3], rows[-4]) if len(jobs) == limit else None
    return JobPage(jobs, total, following)


def _write_cursor(score: bytes, stored_id: bytes) -> str:
    return base64.urlsafe_b64encode(score + b" " + stored_id).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return "", ""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    found = _PLACE.fullmatch(text)
    if found is None:
        raise InvalidOption("the cursor is not one that a list returned; start again without it")
    return found[1], found[2]


def pause(store: Store, queue: str, reason: str = "", by: str = "") -> bool:
    """Stop starting jobs of ``queue``. Returns True if this call paused it, False if it was paused already."""
    return bool(store.call("pause", queue, (reason, by, store.settings.events_max)) == 1)


def resume(store: Store, queue: str) -> bool:
    """Start jobs of ``queue`` again. Returns True if this call resumed it, False if it was not paused."""
    return bool(store.call("resume", queue, (store.settings.events_max,)) == 1)
