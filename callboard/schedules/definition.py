"""What a schedule is: which job, when, and what becomes of ticks that come late or too soon. Nothing touches Redis."""

from __future__ import annotations

import json
import math
import re
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, get_args

from callboard.errors import InvalidSchedule
from callboard.schedules.cron import Cron, zone_of

#: Ticks that were missed because no worker ran: none of them, the last one, or all.
CatchUp = Literal["none", "one", "all"]

#: A tick that comes due while the schedule's previous job has not ended: is added, is skipped, or waits for its end.
Overlap = Literal["allow", "skip", "queue"]

#: Characters of a schedule's id: with a tick it is a job's id.
MAX_ID = 64

MAX_EVERY_S, MAX_JITTER_S = 10 * 366 * 86_400, 86_400

_ID = re.compile(rf"[A-Za-z0-9._:-]{{1,{MAX_ID}}}")

#: What ``add_job`` takes and a schedule does not.
_NOT_HERE = {
    "delay": "give a jitter, or a start", "run_at": "give a start, or add a job instead",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Definition:
    """A schedule as it was asked for. Times are whole seconds since the epoch.

    Either ``cron``, in ``timezone``, or ``every_s``: at multiples of it since the epoch (``aligned``), or from
    ``start_s`` on. ``limit`` bounds the jobs it makes.
    """

    id: str
    queue: str
    actor: str
    payload: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    cron: str = ""
    timezone: str = "UTC"
    every_s: int = 0
    aligned: bool = True
    jitter_s: float = 0.0
    start_s: int | None = None
    end_s: int | None = None
    limit: int | None = None
    catch_up: CatchUp = "none"
    overlap: Overlap = "allow"

    def encoded(self) -> bytes:
        """The definition as it is stored: the same bytes for the same schedule. What has its default is left out.

        Raises: InvalidSchedule when payload or options are not JSON.
        """
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        kept = {name: value for name, value in said.items() if name not in _DEFAULTS or value != _DEFAULTS[name]}
        try:
            return json.dumps(kept, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise InvalidSchedule(f"payload and options of a schedule are JSON: {error}") from error

    @property
    def when(self) -> str:
        """When it ticks, for people."""
        if self.cron:
            return self.cron if self.timezone == "UTC" else f"{self.cron} {self.timezone}"
        return f"every {self.every_s} s"


_DEFAULTS = {
    each.name: each.default if each.default is not MISSING else {}
    for each in fields(Definition)
    if each.default is not MISSING or each.default_factory is not MISSING
}  # fmt: skip


def decoded(stored: bytes) -> Definition:
    """The definition that :meth:`Definition.encoded` stored."""
    return Definition(**json.loads(stored))


def define(
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
) -> Definition:
    """Check what a caller says of a schedule; the arguments are those of ``QueueService.add_repeating_job``.

    Queue, actor, payload and options are checked elsewhere, as those of a job.

    Raises: InvalidSchedule, naming what is wrong and what is allowed.
    """
    for name, instead in _NOT_HERE.items():
        if options.get(name) is not None:
            raise InvalidSchedule(f"{name} is not for schedules: {instead}")
    if (cron is None) == (every is None):
        raise InvalidSchedule("give either cron or every")
    start_s, end_s = _second("start", start, math.ceil), _second("end", end, math.floor)
    if start_s is not None and end_s is not None and start_s > end_s:
        raise InvalidSchedule("start is after end")
    _check_choice("catch_up", catch_up, get_args(CatchUp))
    _check_choice("overlap", overlap, get_args(Overlap))
    _check_limit(limit)
    if not _is_number(jitter) or not 0 <= jitter <= MAX_JITTER_S:
        raise InvalidSchedule(f"jitter {jitter!r} is not a number of seconds within 0…{MAX_JITTER_S}")
    found = Definition(
        id="", queue=queue, actor=actor, payload={} if payload is None else payload,
        options={name: value for name, value in options.items() if value is not None},
        **(_by_cron(cron, timezone, aligned) if cron is not None else _every(every, timezone, aligned, start_s)),
        jitter_s=float(jitter), start_s=start_s, end_s=end_s, limit=limit, catch_up=catch_up, overlap=overlap,
    )  # fmt: skip
    return _named(found, id)


def _by_cron(cron: Any, timezone: Any, aligned: bool | None) -> dict[str, Any]:
    if not isinstance(cron, str):
        raise InvalidSchedule(f"cron is text, not {type(cron).__name__}")
    if aligned is not None:
        raise InvalidSchedule("aligned goes with every")
    text = " ".join(cron.split())
    Cron(text, zone_of(timezone))
    return {"cron": text, "timezone": timezone}


def _every(every: Any, timezone: Any, aligned: bool | None, start_s: int | None) -> dict[str, Any]:
    if not _is_number(every) or int(every) != every or not 1 <= every <= MAX_EVERY_S:
        raise InvalidSchedule(f"every {every!r} is not a whole number of seconds within 1…{MAX_EVERY_S}")
    if timezone != "UTC":
        raise InvalidSchedule("timezone goes with cron")
    if aligned is False and start_s is None:
        raise InvalidSchedule("aligned=False needs a start to count from")
    return {"every_s": int(every), "aligned": start_s is None if aligned is None else aligned}


def _named(definition: Definition, asked: Any) -> Definition:
    """With its id; without one asked for, one that follows from what it is, so that adding it again changes nothing."""
    if asked is None:
        asked = f"{str(definition.actor)[:MAX_ID - 11]}-{sha256(definition.encoded()).hexdigest()[:10]}"
    return replace(definition, id=check_schedule_id(asked))


def check_schedule_id(asked: Any) -> str:
    """``asked`` if it may be the id of a schedule. Raises: InvalidSchedule."""
    if not isinstance(asked, str) or not _ID.fullmatch(asked):
        raise InvalidSchedule(f"schedule id {str(asked)[:80]!r} is not 1–{MAX_ID} characters of A-Z a-z 0-9 . _ : -")
    return asked


def _second(name: str, given: Any, rounded: Any) -> int | None:
    if given is None:
        return None
    if not isinstance(given, datetime) or given.tzinfo is None:
        raise InvalidSchedule(f"{name} is not a datetime with a time zone")
    return int(rounded(given.timestamp()))


def _check_choice(name: str, given: Any, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise InvalidSchedule(f"{name} {given!r} is none of {', '.join(allowed)}")


def _check_limit(given: Any) -> None:
    if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 1):
        raise InvalidSchedule(f"limit {given!r} is not an integer of at least 1")


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
