"""What ``QueueService`` offers on schedules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from callboard.catalogue import Catalogue
from callboard.door import check_within
from callboard.errors import InvalidOption, InvalidSchedule, ScheduleNotFound, UnknownActor
from callboard.ids import new_id
from callboard.registry import ActorRegistry
from callboard.schedules.admission import Admission
from callboard.schedules.cron import zone_of
from callboard.schedules.definition import CatchUp, Definition, Overlap, check_schedule_id, decoded, define
from callboard.schedules.putting import put_schedule
from callboard.schedules.state import API, Entry, Schedule, schedule_of
from callboard.schedules.times import Times
from callboard.settings import Settings
from callboard.shown import shown_schedule
from callboard.store.store import Store
from callboard.verbs import schedules
from callboard.verbs.add import add

#: Schedules of a page, and times of a preview, at most.
MAX_PAGE, MAX_PREVIEW = 200, 1_000


@dataclass(frozen=True, slots=True)
class SchedulePage:
    """One page of schedules, in the order of their ids. ``total``: of all queues. ``cursor`` continues it; None on the
    last page. A page of one queue's may be short, or empty, and have a cursor: so many were looked at."""

    schedules: list[Schedule]
    total: int
    cursor: str | None


class ScheduleOperations:
    """Recurring jobs of a deployment. A schedule is named by its id."""

    catalogue: Catalogue
    settings: Settings
    store: Store
    _registry: ActorRegistry

    def add_repeating_job(
        self,
        queue: str,
        actor: str,
        payload: dict[str, Any] | None = None,
        *,
        cron: str | None = None,
        every: float | None = None,
        id: str | None = None,
        timezone: str = "UTC",
        aligned: bool | None = None,
        jitter: float = 0.0,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int | None = None,
        catch_up: CatchUp = "none",
        overlap: Overlap = "allow",
        **options: Any,
    ) -> Schedule:
        """Add a job again and again; docs/guides/schedules.md says more.

        Either ``cron``: five fields or a nickname (``@daily``), in the IANA ``timezone``; or ``every`` so many whole
        seconds, at multiples of it since the epoch, or from ``start`` on unless ``aligned``. ``jitter``: up to so many
        seconds are added to each tick. ``start``, ``end``: datetimes with a zone. ``limit``: jobs in all. ``catch_up``:
        what becomes of ticks that were missed by more than a minute: "none", "one" of them or "all" are made up for.
        ``overlap``: when the previous job has not ended: "allow", "skip", or "queue" to wait for it. ``options``: those
        of :meth:`add_job`.

        With the ``id`` of a schedule that is there, that one is changed; its pause and counts stay, and it ticks by the
        new definition from now on. Without an id the same schedule has the same one, so that adding it again changes
        nothing.

        Raises: InvalidSchedule; as ``add_job``. Nothing was changed then.
        """
        definition = define(
            queue, actor, payload, cron=cron, every=every, id=id, timezone=timezone, aligned=aligned, jitter=jitter,
            start=start, end=end, limit=limit, catch_up=catch_up, overlap=overlap, **options,
        )  # fmt: skip
        self._admission().check(definition)
        code, entry = put_schedule(self.store, definition, API)
        if code == schedules.OTHER_ORIGIN:
            raise InvalidSchedule(
                f"schedule {definition.id!r} is declared by its actor: change it there, pause it, or take another id"
            )
        return schedule_of(entry)

    def get_schedule(self, id: str) -> Schedule:
        """A schedule and how it stands. Raises: ScheduleNotFound."""
        return schedule_of(self._schedule(id)[1])

    def get_schedules(self, queue: str | None = None, limit: int = 50, cursor: str | None = None) -> SchedulePage:
        """A page of schedules in the order of their ids, of all queues or of one.

        Raises: InvalidOption for a limit outside 1…200 or a cursor that is not one.
        """
        check_within("limit", limit, 1, MAX_PAGE)
        name = "" if queue is None else self.catalogue[queue].name
        try:
            after = "" if cursor is None else check_schedule_id(cursor)
        except InvalidSchedule:
            raise InvalidOption(f"{cursor!r} is not a cursor of schedules") from None
        total, last, entries = schedules.page(self.store, after, name, limit)
        return SchedulePage([schedule_of(entry) for entry in entries], total, last or None)

    def pause_schedule(self, id: str, reason: str = "", by: str = "") -> bool:
        """Tick no more until it is resumed. Returns: True if this call paused it, False if it was paused already.

        Raises: ScheduleNotFound.
        """
        return self._found(id, schedules.pause(self.store, check_schedule_id(id), reason, by)) == 1

    def resume_schedule(self, id: str) -> bool:
        """Tick again from now on; ticks of the time in between are not made up for.

        Returns: True if this call resumed it, False if it was not paused.
        Raises: ScheduleNotFound.
        """
        while True:
            now, entry = self._schedule(id)
            coming = None if entry.ended else Times(decoded(entry.definition)).after(now // 1000)
            code = schedules.resume(self.store, id, entry.revision, coming or 0)
            if code != -2:  # else it was changed meanwhile
                return self._found(id, code) == 1

    def run_schedule_now(self, id: str) -> str:
        """Add a job of the schedule at once, paused or not; the schedule itself goes on as if nothing had been.

        Returns: the id of the job. Raises: ScheduleNotFound; as ``add_job``.
        """
        now, entry = self._schedule(id)
        definition, job_id = decoded(entry.definition), new_id()
        add(self.store, self.catalogue[definition.queue], [self._admission().job(definition, job_id, 0, now)])
        return job_id

    def delete_schedule(self, id: str) -> None:
        """Remove a schedule; its jobs stay. One that an actor declares comes back with the next worker that has it.

        Raises: ScheduleNotFound.
        """
        now, queue = schedules.delete(self.store, check_schedule_id(id))
        if not queue:
            raise ScheduleNotFound(f"no schedule {id!r}")
        # Somebody may be about to add a tick that was due before.
        schedules.bar(self.store, queue, id, now)

    def preview_schedule(self, schedule: str | Definition, count: int = 10) -> list[datetime]:
        """The next ticks, at most ``count`` (1…1000), in the schedule's time zone; jitter is not in them.

        ``schedule``: the id of one, or what ``callboard.schedules.definition.define`` gives.

        Raises: ScheduleNotFound; InvalidOption.
        """
        check_within("count", count, 1, MAX_PREVIEW)
        if isinstance(schedule, Definition):
            now, definition = schedules.now_ms(self.store), schedule
        else:
            now, entry = self._schedule(schedule)
            definition = decoded(entry.definition)
            if definition.limit is not None:
                count = min(count, definition.limit - entry.made)
            if entry.ended:
                count = 0
        zone = zone_of(definition.timezone) if definition.cron else UTC
        return [datetime.fromtimestamp(tick, zone) for tick in Times(definition).coming(now // 1000, count)]

    def masked_schedule(self, schedule: Schedule) -> Schedule:
        """``schedule`` as it may be shown: without the secrets of its payload, options and last error.

        Raises: StoreUnavailable.
        """
        try:
            schema = self._registry.find(schedule.actor, schedule.queue).schema
        except UnknownActor:
            schema = None
        return shown_schedule(schedule, schema)

    def _admission(self) -> Admission:
        return Admission(self._registry, self.catalogue, self.settings)

    def _schedule(self, schedule_id: str) -> tuple[int, Entry]:
        now, entry = schedules.get(self.store, check_schedule_id(schedule_id))
        if entry is None:
            raise ScheduleNotFound(f"no schedule {schedule_id!r}")
        return now, entry

    def _found(self, schedule_id: str, code: int) -> int:
        if code == -1:
            raise ScheduleNotFound(f"no schedule {schedule_id!r}")
        return code
