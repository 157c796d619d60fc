"""Events in words, for the lines that pass by while the demo plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from callboard import Priority, QueueService
from callboard.errors import JobNotFound
from callboard.verbs.telling import Event
from demo.jobs import Planned

#: Ids spelled out in a line, and characters of each.
_SHOWN, _LONGEST = 2, 20


@dataclass(frozen=True, slots=True)
class Line:
    """One event: seconds since the first one, which jobs, what happened to them, and a remark."""

    seconds: float
    jobs: str
    kind: str
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.seconds:6.2f} s  {self.jobs:<20}  {self.kind:<9}  {self.remark}".rstrip()


class Narrator:
    """Knows the jobs of the demo, and asks the service for what an event leaves out."""

    def __init__(self, service: QueueService, jobs: Mapping[str, Planned]) -> None:
        self._service = service
        self._jobs = jobs
        self._began_ms: int | None = None

    def tell(self, event: Event) -> Line:
        """The line of an event."""
        if self._began_ms is None:
            self._began_ms = event.at_ms
        seconds = (event.at_ms - self._began_ms) / 1000
        remark = self._remark(event, event.job_ids[0]) if len(event.job_ids) == 1 else ""
        return Line(seconds, _names(event.job_ids), event.type, remark)

    def _remark(self, event: Event, job_id: str) -> str:
        job = self._jobs.get(job_id)
        if job is None:
            return ""
        if event.type == "retried":
            return self._why(event, job_id)
        if event.type == "delayed":
            return f"due in {job.options['delay']:g} s" if "delay" in job.options else ""
        priority = job.options.get("priority")
        return priority.name if isinstance(priority, Priority) and event.type in {"added", "active"} else ""

    def _why(self, event: Event, job_id: str) -> str:
        try:
            view = self._service.get_job(event.queue, job_id)
        except JobNotFound:
            return ""
        said = view.attempts[-1].error_message if view.attempts else ""
        return f"again in {(view.due_ms - event.at_ms) / 1000:.1f} s: {said}"


def _names(job_ids: Sequence[str]) -> str:
    if len(job_ids) <= _SHOWN:
        return ", ".join(_short(job_id) for job_id in job_ids)
    return f"{_short(job_ids[0])} + {len(job_ids) - 1}"


def _short(job_id: str) -> str:
    return job_id if len(job_id) <= _LONGEST else f"{job_id[: _LONGEST - 1]}…"
