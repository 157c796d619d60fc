"""Assertions about what was added, whose messages say what was there instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dramatiq import Actor

from callboard.testing.seen import JobSeen

#: Jobs that a message lists.
_SHOWN = 20


def added_as(
    jobs: Sequence[JobSeen],
    actor: Actor[Any, Any] | str,
    *,
    queue: str | None,
    payload: dict[str, Any] | None,
    args: tuple[Any, ...] | None,
    times: int | None,
    fields: Mapping[str, Any],
) -> list[JobSeen]:
    """See ``InlineBroker.assert_added``."""
    name = actor.actor_name if isinstance(actor, Actor) else actor
    expected: dict[str, Any] = {"queue": queue, "payload": payload, "args": args}
    expected = {what: value for what, value in expected.items() if value is not None} | dict(fields)
    if unknown := [what for what in fields if what not in JobSeen.__dataclass_fields__]:
        raise TypeError(f"a job has no {', '.join(unknown)}; it has {', '.join(JobSeen.__dataclass_fields__)}")
    found = [job for job in jobs if job.actor == name and not _differences(job, expected)]
    if found if times is None else len(found) == times:
        return found
    wanted = "at least once" if times is None else f"{times} times"
    asked = "".join(f", {what}={value!r}" for what, value in expected.items())
    raise AssertionError(
        f"expected {name}{asked} to be added {wanted}, but it was {len(found)} times. {_all(jobs, name, expected)}"
    )


def nothing_added(jobs: Sequence[JobSeen], queue: str | None) -> None:
    """See ``InlineBroker.assert_nothing_added``."""
    if jobs:
        where = f" to {queue}" if queue else ""
        raise AssertionError(f"expected nothing to be added{where}, but there are {len(jobs)}. {_all(jobs, '', {})}")


def _differences(job: JobSeen, expected: Mapping[str, Any]) -> list[str]:
    """What of a job is not as expected."""
    return [what for what, value in expected.items() if not _is_in(value, getattr(job, what))]


def _is_in(expected: Any, found: Any) -> bool:
    """Whether all that is expected is there: of objects, the named values."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return all(name in found and _is_in(value, found[name]) for name, value in expected.items())
    return bool(expected == found)


def _all(jobs: Sequence[JobSeen], name: str, expected: Mapping[str, Any]) -> str:
    if not jobs:
        return "No job was added at all."
    lines = []
    for job in jobs[:_SHOWN]:
        differs = _differences(job, expected) if job.actor == name else []
        why = "; ".join(f"{what} is {getattr(job, what)!r}" for what in differs if what != "payload")
        lines.append(f"  {job}" + (f" ({why})" if why else ""))
    if more := len(jobs) - _SHOWN:
        lines += [f"  and {more} more"] if more > 0 else []
    return "\n".join(["Added were:", *lines])
