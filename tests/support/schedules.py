"""Schedules under test: a service, a ticker that is called by hand, and ways to make a schedule due."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from callboard import QueueService
from callboard.packing import pack, unpack
from callboard.schedules.state import PLACES, Entry
from callboard.schedules.ticking import Ticking
from callboard.settings import Settings
from callboard.store.store import Store, open_store
from callboard.verbs import schedules
from callboard.verbs.fleet import publish

#: A queue's fields that let a test see every job it made.
KEEPS_ALL: dict[str, Any] = {"keep_completed": 100_000, "keep_failed": 100_000}

#: An interval so long that a schedule ticks by itself in no test (seconds).
NEVER = 86_400 * 300


class Timetable:
    """The schedules of a deployment with two queues, ``q`` and ``r``, and an actor on each: ``work`` and ``rest``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.service = QueueService(settings)
        self.store: Store = self.service.store
        self.publish(work="q", rest="r")

    def close(self) -> None:
        """Close the connections."""
        self.service.close()

    def publish(self, **queues: str) -> None:
        """Make actors known, each on its queue."""
        publish(self.store, {actor: {"queue": queue, "priority": 0} for actor, queue in queues.items()})

    def ticker(self) -> Ticking:
        """A ticker, as a worker process has it, with connections of its own thread."""
        return Ticking(self.store, self.settings.catalogue)

    def other_process(self) -> Ticking:
        """A ticker with a store of its own."""
        return Ticking(open_store(self.settings), self.settings.catalogue)

    def entry(self, schedule_id: str) -> Entry:
        """A schedule as it is stored."""
        _, entry = schedules.get(self.store, schedule_id)
        assert entry is not None
        return entry

    def now_s(self) -> int:
        """Redis' time (seconds)."""
        return schedules.now_ms(self.store) // 1000

    def put_back(self, schedule_id: str, **fields: Any) -> None:
        """Change fields of the stored schedule (see ``state.PLACES``), and let it be looked at now."""
        settings = self.settings
        key = f"{settings.prefix}:{{0}}:schedules"
        values = unpack(self.store.execute("HGET", key, schedule_id))
        for name, value in fields.items():
            values[PLACES.index(name)] = value
        self.store.execute("HSET", key, schedule_id, pack(values))
        self.store.execute("ZADD", f"{settings.prefix}:{{0}}:schedule_times", 1, schedule_id)

    def come_due(self, schedule_id: str, ago_s: int = 0) -> int:
        """Let the tick of ``ago_s`` seconds ago be the next one of a schedule. Returns: the tick (seconds)."""
        tick = self.now_s() - ago_s
        self.put_back(schedule_id, next=tick)
        return tick

    def jobs(self, queue: str = "q") -> list[str]:
        """The ids of all jobs of a queue that have not ended, in the order in which they will run."""
        return [job.id for state in ("waiting", "delayed") for job in self._list(queue, state)]

    def _list(self, queue: str, state: str) -> Iterator[Any]:
        cursor = None
        while True:
            page = self.service.list_jobs(queue, state, 200, cursor)
            yield from page.jobs
            cursor = page.cursor
            if cursor is None:
                return

    def end_job(self, job_id: str, queue: str = "q") -> None:
        """Let a job that has not started come to its end."""
        self.service.cancel_job(queue, job_id)

    def stored_ticks(self, queue: str = "q") -> dict[str, Any]:
        """What a queue keeps of schedules' ticks."""
        found = self.store.execute("HGETALL", self.store.key(queue, "ticks"))
        pairs = found.items() if isinstance(found, dict) else zip(found[::2], found[1::2], strict=True)
        return {name.decode(): unpack(kept) for name, kept in pairs}


def second(year: int, month: int, day: int, hour: int = 0, minute: int = 0, of: int = 0) -> int:
    """A time in UTC, in seconds since the epoch."""
    return int(datetime(year, month, day, hour, minute, of, tzinfo=UTC).timestamp())


def add(table: Timetable, id: str = "s", queue: str = "q", actor: str = "work", **given: Any) -> None:
    """Make a schedule that ticks by itself in no test, unless ``given`` says when."""
    if "cron" not in given:
        given = {"every": NEVER, **given}
    table.service.add_repeating_job(queue, actor, {"n": 1}, id=id, **given)
