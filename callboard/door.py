"""The door: every way to add a job passes here. What is not right is refused before anything reaches Redis."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from callboard.catalogue import QueueSpec
from callboard.codec import encode_payload
from callboard.errors import MAX_DELAY_S, InvalidOption, PayloadInvalid, PayloadTooLarge
from callboard.ids import check_id, pack_id
from callboard.payloads import VERSION_OPTION, Checker
from callboard.verbs.add import NewJob

MIN_PRIORITY, MAX_PRIORITY = 1, 1000

#: Bytes of a workspace's name in UTF-8.
MAX_WORKSPACE = 128

MAX_DELAY_MS = MAX_DELAY_S * 1000

MAX_TAGS = 20

#: Options that are checked here: name -> (type, smallest, largest).
_NUMBERS: dict[str, tuple[type[int] | tuple[type[int], type[float]], float, float]] = {
    "max_attempts": (int, 1, 1000),
    "max_retries": (int, 0, 1000),
    "time_limit": ((int, float), 1, float("inf")),
    "backoff_base_ms": (int, 0, MAX_DELAY_MS),
    "backoff_cap_ms": (int, 0, MAX_DELAY_MS),
    "min_backoff": (int, 0, MAX_DELAY_MS),
    "max_backoff": (int, 0, MAX_DELAY_MS),
    "max_age": ((int, float), 0, float("inf")),
    "result_ttl": (int, 1, MAX_DELAY_MS),
    VERSION_OPTION: (int, 1, 2**31),
}

#: What a job may say beside its payload, id and time. Middleware of one's own may have more (``job_options``).
KNOWN_OPTIONS = frozenset({
    *_NUMBERS, "priority", "workspace", "tags", "backoff", "notify_shutdown", "store_results",
    "on_success", "on_failure", "on_retry_exhausted", "pipe_target", "pipe_ignore",
    "group_completion_uuid", "group_completion_callbacks", "group_completion_size",
})  # fmt: skip

#: Options of actors that are Python objects: as text in a job they would end the worker thread that meets them.
_OF_ACTORS = ("throws", "retry_when")


def admit(
    spec: QueueSpec,
    actor: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    options: Mapping[str, Any],
    job_id: str,
    *,
    actor_priority: int = 0,
    takes: Checker | None = None,
    delay_ms: float | None = None,
    run_at: datetime | None = None,
    timestamp: int | None = None,
) -> NewJob:
    """Check and encode one job for queue ``spec``.

    ``options`` are the job's (priority, workspace, tags, max_attempts …); those of value None are as if not given.
    ``takes`` says what the actor takes; None: anything. ``delay_ms`` counts from the add, ``run_at`` is a time with a
    zone; at most one of them.

    Raises: InvalidOption, PayloadInvalid, PayloadTooLarge, naming the field and what is allowed.
    """
    if not isinstance(kwargs, dict):
        raise PayloadInvalid(f"the payload is not an object of named values but {type(kwargs).__name__}")
    kept = {name: value for name, value in options.items() if value is not None}
    priority = _priority(kept.pop("priority", None), actor_priority, spec)
    workspace = kept.pop("workspace", "")
    kept.pop("eta", None)
    _check_workspace(workspace)
    if takes is not None:
        check_payload(takes, args, kwargs, kept)
    if kept:
        check_options(kept)
    delay, due = when(delay_ms, run_at)
    if timestamp is None:
        timestamp = int(time.time() * 1000)
    payload = encode_payload(actor, args, kwargs, kept, timestamp)
    check_payload_size(spec, payload)
    return NewJob(pack_id(check_id(job_id)), payload, priority, workspace, delay, due)


def check_payload(takes: Checker, args: Sequence[Any], payload: Mapping[str, Any], options: dict[str, Any]) -> None:
    """Check a payload against what its actor takes, and note in ``options`` which version it has.

    One that says that it is older is let through: only its actor's ``upgrade`` knows what it was like.

    Raises: PayloadInvalid; InvalidOption for a version that is not there yet.
    """
    asked = options.setdefault(VERSION_OPTION, takes.version)
    if asked == takes.version:
        takes.check(args, payload)
    elif isinstance(asked, int) and asked > takes.version:
        raise InvalidOption(f"payload_version {asked}: the actor's payload has version {takes.version} so far")
    if asked == 1:
        del options[VERSION_OPTION]


def check_payload_size(spec: QueueSpec, payload: bytes) -> None:
    """Raise PayloadTooLarge when an encoded payload is over the queue's limit."""
    if len(payload) > spec.max_payload_bytes:
        raise PayloadTooLarge(
            f"the payload is {len(payload)} bytes; queue {spec.name!r} takes {spec.max_payload_bytes}. "
            "Store the data elsewhere and send a reference to it."
        )


def check_within(name: str, value: Any, least: int, most: int) -> int:
    """``value`` if it is an integer within ``least``…``most``. Raises: InvalidOption."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise InvalidOption(f"{name} {value!r} is not an integer within {least}…{most}")
    return int(value)


def delay_in_ms(delay: Any) -> float | None:
    """A delay given in seconds. Raises: InvalidOption when it is not a number."""
    if delay is None:
        return None
    if isinstance(delay, bool) or not isinstance(delay, int | float):
        raise InvalidOption(f"delay {delay!r} is not a number of seconds")
    return delay * 1000


def check_priority(asked: Any) -> int:
    """``asked`` if it is a priority. Raises: InvalidOption."""
    return check_within("priority", asked, MIN_PRIORITY, MAX_PRIORITY)


def _priority(asked: Any, actor_priority: int, spec: QueueSpec) -> int:
    if asked is None:
        return actor_priority or spec.priority
    if asked == 0 and not isinstance(asked, bool):
        return actor_priority or spec.priority  # Dramatiq's default
    return check_priority(asked)


def _check_workspace(workspace: Any) -> None:
    if not isinstance(workspace, str) or any(c < " " for c in workspace) or _utf8_length(workspace) > MAX_WORKSPACE:
        raise InvalidOption(f"workspace is not a string of at most {MAX_WORKSPACE} bytes of printable UTF-8")


def _utf8_length(text: str) -> int:
    """Bytes of ``text``; infinite when it has lone surrogates and cannot be encoded. A record has one byte for it."""
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return sys.maxsize


def check_names(options: Mapping[str, Any], more: Sequence[str] = ()) -> None:
    """Refuse options that nobody knows: a misspelt one would be kept and do nothing. ``more`` are known as well.

    Raises: InvalidOption, with the nearest name that there is.
    """
    for name in options:
        if name not in KNOWN_OPTIONS and name not in more:
            known = sorted({*KNOWN_OPTIONS, *more, "delay", "run_at", "id"})
            near = get_close_matches(name, known, 1)
            meant = f"did you mean {near[0]!r}?" if near else f"options are: {', '.join(known)}"
            raise InvalidOption(f"no option {name!r}; {meant}")


def check_actor_options(options: Mapping[str, Any]) -> None:
    """Check what an actor declares for its jobs.

    Raises: InvalidOption.
    """
    _check_common({name: value for name, value in options.items() if value is not None})


def check_options(options: Mapping[str, Any]) -> None:
    """Check the options of a job.

    Raises: InvalidOption.
    """
    for name in _OF_ACTORS:
        if isinstance(options.get(name), (str, bytes, int, float, list, dict)):
            raise InvalidOption(f"{name} is an option of actors, not of jobs")
    _check_common(options)


def _check_common(options: Mapping[str, Any]) -> None:
    for name, value in options.items():
        if name in _NUMBERS:
            kind, least, most = _NUMBERS[name]
            if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
                raise InvalidOption(f"{name} {value!r} is not a number within {least:g}…{most:g}")
    backoff = options.get("backoff")
    if backoff is not None and backoff not in ("fixed", "exponential"):
        raise InvalidOption(f"backoff {backoff!r} is neither 'fixed' nor 'exponential'")
    tags = options.get("tags")
    if tags is not None and (
        not isinstance(tags, (list, tuple)) or len(tags) > MAX_TAGS or not all(isinstance(t, str) and t for t in tags)
    ):
        raise InvalidOption(f"tags are not a list of at most {MAX_TAGS} strings")


def when(delay_ms: Any, run_at: Any) -> tuple[int, int]:
    """(delay in ms, due in ms since the epoch); a due of 0 means: use the delay.

    Raises: InvalidOption when it is more than ten years ahead, negative, or of another type; when both are given.
    """
    if run_at is not None:
        if delay_ms is not None:
            raise InvalidOption("give either delay or run_at, not both")
        if not isinstance(run_at, datetime) or run_at.tzinfo is None:
            raise InvalidOption("run_at is not a datetime with a time zone")
        due = int(run_at.timestamp() * 1000)
        if due > (time.time() * 1000) + MAX_DELAY_MS:
            raise InvalidOption("run_at is more than ten years ahead")
        return 0, max(due, 1)
    if delay_ms is None:
        return 0, 0
    if isinstance(delay_ms, bool) or not isinstance(delay_ms, (int, float)) or not 0 <= delay_ms <= MAX_DELAY_MS:
        raise InvalidOption(f"delay {delay_ms!r} ms is not within 0…{MAX_DELAY_MS} ms (ten years)")
    return int(delay_ms), 0
