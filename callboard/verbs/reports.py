"""waits, keep_report, reports: what every queue did in the last hour, measured, kept for a day and read back."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from callboard.door import check_within
from callboard.errors import InvalidOption
from callboard.store.store import Call, Store
from callboard.verbs import looking
from callboard.verbs.looking import MAX_PAGE, QueueStats

#: What a report counts over the last so many minutes.
FLOWS, MINUTES = ("added", "completed", "failed"), 60

#: Completed jobs whose waits are looked at, the latest first.
WAITS = 1_000

#: How long reports are kept (ms), and how many at most: one a minute for a day.
KEPT_MS, KEPT = 24 * 3_600_000, 1_440

_STATES = ("waiting", "delayed", "active", "blocked", "completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class QueueReport:
    """A queue's line of a report.

    ``states``: jobs a state. ``last_hour``: jobs added, completed and failed in the last 60 minute buckets, the present
    minute included; ``per_minute``: the same over 60. ``wait_p95_s``: 95 of 100 jobs waited no longer (nearest rank),
    over the ``wait_sample`` jobs that completed last and are kept, at most 1,000; None without any. A job waits from
    when its last attempt could start (added, due, or due again) to when it started.
    """

    queue: str
    paused: bool
    states: dict[str, int]
    last_hour: dict[str, int]
    per_minute: dict[str, float]
    wait_p95_s: float | None
    wait_sample: int
    oldest_waiting_age_s: float


@dataclass(frozen=True, slots=True)
class Report:
    """A line a queue, in catalogue order; ``at_ms``: when it was made, by Redis' clock."""

    id: str
    at_ms: int
    queues: list[QueueReport]


def measure(store: Store, queues: Iterable[str]) -> list[QueueReport]:
    """A line a queue, in one round trip."""
    names = list(queues)
    calls: list[Call] = []
    for name in names:
        calls += [looking.stats_call(name), ("history", name, (MINUTES, *FLOWS)), ("waits", name, (WAITS,))]
    replies = store.pipeline(calls)
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return [
        line(looking.queue_stats(name, replies[3 * i]), replies[3 * i + 1][1], replies[3 * i + 2])
        for i, name in enumerate(names)
    ]


def line(stats: QueueStats, counts: list[int], waits: list[int]) -> QueueReport:
    """A queue's line; ``counts``: those of ``FLOWS``, a minute after the other; ``waits`` in ms."""
    last_hour = {what: sum(counts[i :: len(FLOWS)]) for i, what in enumerate(FLOWS)}
    return QueueReport(
        queue=stats.queue,
        paused=stats.paused,
        states={state: getattr(stats, state) for state in _STATES},
        last_hour=last_hour,
        per_minute={what: round(count / MINUTES, 3) for what, count in last_hour.items()},
        wait_p95_s=percentile(waits, 95) / 1000 if waits else None,
        wait_sample=len(waits),
        oldest_waiting_age_s=stats.oldest_waiting_age_s,
    )


def percentile(values: list[int], percent: int) -> int:
    """The smallest of ``values`` that ``percent`` of 100 do not exceed (nearest rank). ``values`` is not empty."""
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def keep(store: Store, report_id: str, lines: list[QueueReport]) -> Report:
    """Keep a report under ``report_id``, unless one is kept under it. Returns: the one that is kept."""
    encoded = json.dumps([asdict(each) for each in lines], separators=(",", ":"))
    at_ms, kept = store.call("keep_report", "", (report_id, encoded, KEPT_MS, KEPT))
    return _report(report_id, at_ms, kept)


def read(store: Store, since: datetime | None = None, limit: int = 24) -> list[Report]:
    """The reports made at or after ``since`` (with a zone; None: all that are kept), newest first.

    Raises: InvalidOption when the limit is outside 1…200 or ``since`` has no zone.
    """
    check_within("limit", limit, 1, MAX_PAGE)
    if since is not None and since.tzinfo is None:
        raise InvalidOption("since needs a time zone")
    since_ms = int(since.timestamp() * 1000) if since else 0
    rows = store.call("reports", "", (since_ms, limit, KEPT_MS))
    return [_report(rows[i].decode(), rows[i + 1], rows[i + 2]) for i in range(0, len(rows), 3)]


def _report(report_id: str, at_ms: int, encoded: Any) -> Report:
    return Report(report_id, at_ms, [QueueReport(**each) for each in json.loads(encoded)])
