"""The recurring job of the demo, and whether it came when it should."""

from __future__ import annotations

from callboard import QueueService
from callboard.schedules.state import Schedule
from callboard.verbs.telling import Event
from demo.verdict import Check

SCHEDULE, QUEUE, ACTOR = "heartbeat", "maintenance", "check_health"
#: A tick each second, so many in all.
TICKS = 3
#: A tick's job is to be added so soon (ms).
_SOON_MS = 1_000


def schedule(service: QueueService) -> None:
    """Let it tick from now on."""
    service.add_repeating_job(QUEUE, ACTOR, every=1, limit=TICKS, id=SCHEDULE)


def check_heartbeat(found: Schedule | None, events: list[Event]) -> list[Check]:
    """The check. The job of a tick has its time (s) in its id; the event of its add says when it came."""
    added = {
        job_id: event.at_ms
        for event in events
        if event.queue == QUEUE and event.type in ("added", "delayed")
        for job_id in event.job_ids
        if job_id.startswith(f"{SCHEDULE}:")
    }
    ticks = sorted(int(job_id.rpartition(":")[2]) for job_id in added)
    late = [at_ms - 1000 * int(job_id.rpartition(":")[2]) for job_id, at_ms in added.items()]
    problems = []
    if found is None or (found.made, found.ended, found.errors) != (TICKS, "limit", 0):
        problems.append(f"{SCHEDULE} has not ticked {TICKS} times and ended: it is {found}")
    if not ticks or ticks != list(range(ticks[0], ticks[0] + TICKS)):
        problems.append(f"{SCHEDULE} ticked at {ticks} instead of {TICKS} seconds in a row")
    if late and max(late) > _SOON_MS:
        problems.append(f"a job of {SCHEDULE} was added {max(late)} ms after its tick")
    shown = (
        f"{SCHEDULE}, a schedule of every second, {TICKS} times, added a job at each of {len(ticks)} ticks, at most "
        f"{max(late, default=0)} ms late, and ended"
    )
    return [Check(shown, problems)]
