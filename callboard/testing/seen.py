"""Jobs as tests look at them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any

from dramatiq.message import get_encoder
from dramatiq.results import ResultFailure
from dramatiq.results.result import unwrap_result

from callboard.packing import pack
from callboard.records import JobView, job_view, pack_record
from callboard.testing.shelf import Kept


@dataclass(frozen=True, slots=True, repr=False)
class JobSeen(JobView):
    """One job of an inline broker: what ``QueueService.get_job`` shows, and what the job said.

    ``result`` is what the actor returned (None: nothing was stored). ``due_in_s`` is how far away a delayed job is, by
    the broker's clock. ``exception`` is what the last attempt raised; None when it returned.
    """

    log: list[str] = field(default_factory=list)
    progress: Any = None
    checkpoints: dict[str, Any] = field(default_factory=dict)
    result: Any = None
    due_in_s: float = 0.0
    exception: BaseException | None = None

    @property
    def errors(self) -> list[str]:
        """What its attempts died of, oldest first: ``["ValueError: no such table"]``."""
        return [f"{a.error_type}: {a.error_message}" for a in self.attempts if a.error_type]

    @property
    def outcomes(self) -> list[str]:
        """How the attempts that did not complete the job ended: ``["retried", "deferred", "failed"]``."""
        return [attempt.outcome for attempt in self.attempts]

    def __str__(self) -> str:
        """One line, for messages of assertions."""
        given = ", ".join([*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.payload.items())])
        line = f"{self.actor}({given}) on {self.queue}, {self.state}"
        if self.state == "delayed":
            line += f" for {self.due_in_s:g} s"
        return line + (f", {self.reason}" if self.reason else "")

    def __repr__(self) -> str:
        """As short: pytest shows it where an assertion fails."""
        return f"<{self}>"


def job_seen(queue: str, kept: Kept, now_ms: int, exception: BaseException | None) -> JobSeen:
    """A kept job as it is now."""
    packed, attempts = pack_record(kept.record), pack(kept.attempts) if kept.attempts else b""
    view = job_view(queue, kept.stored_id.encode(), kept.payload, packed, kept.place, attempts)
    return JobSeen(
        **{each.name: getattr(view, each.name) for each in fields(JobView)}, log=[line for _, line in kept.log],
        progress=json.loads(kept.progress) if kept.progress else None,
        checkpoints={name: json.loads(value) for name, value in kept.checkpoints.items()},
        result=_result(kept, now_ms), exception=exception,
        due_in_s=max(0, view.due_ms - now_ms) / 1000 if view.state == "delayed" else 0.0,
    )  # fmt: skip


def _result(kept: Kept, now_ms: int) -> Any:
    if kept.result is None or (kept.result_until is not None and kept.result_until <= now_ms):
        return None
    try:
        return unwrap_result(get_encoder().decode(kept.result))
    except ResultFailure:
        return None
