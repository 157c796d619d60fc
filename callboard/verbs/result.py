"""get_result: what a job returned, or why there is nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from dramatiq.message import get_encoder
from dramatiq.results import ResultFailure
from dramatiq.results.result import unwrap_result

from callboard.errors import InvalidOption, JobFailed, JobNotFound, ResultMissing
from callboard.ids import check_id, pack_id
from callboard.records import STATES, last_error
from callboard.store.store import Store

#: Pauses between looks at a job that has not ended (seconds): the first, by how much they grow, the longest.
_PAUSE_S, _GROWTH, _LONGEST_S = 0.02, 1.5, 1.0

#: The error type of a job that an operator cancelled.
CANCELLED_TYPE = "JobCancelled"


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a job. ``state`` is '' when there is no record of it (any more).

    ``result`` is what it returned, encoded; b'' when that has had its time; None when nothing was stored, which is what
    a job that returned None leaves. ``error`` is (type, message) of one that failed or was cancelled.
    """

    state: str
    result: bytes | None
    reason: str = ""
    error: tuple[str, str] = ("", "")


def look(store: Store, queue: str, job_id: str) -> Ending:
    """What became of a job as it stands. Raises: InvalidOption when ``job_id`` cannot be an id, StoreUnavailable."""
    code, result, reason, attempts = store.call("get_result", queue, (pack_id(check_id(job_id)),))
    state = STATES[code] if code else ""
    said = reason.decode(errors="replace")
    if state == "failed":
        return Ending(state, result, said, last_error(attempts, said))
    return Ending(state, result, said, (CANCELLED_TYPE, said) if state == "cancelled" else ("", ""))


def get_result(store: Store, queue: str, job_id: str, timeout: float | None = None) -> Any:
    """What a job returned; waits up to ``timeout`` seconds for one that has not ended.

    Returns: the value; None for a job that completed and whose result was not stored (it returned None, or its actor
        says ``store_results=False``).
    Raises: ResultMissing when it has not ended (in time), or its result had a time of its own that has passed;
        JobFailed when it failed or was cancelled; JobNotFound; InvalidOption; StoreUnavailable.
    """
    left = _seconds(timeout)
    ends, pause = time.monotonic() + left, _PAUSE_S
    while True:
        ending = look(store, queue, job_id)
        if ending.state in ("", "completed", "failed", "cancelled"):
            return _value(ending, queue, job_id)
        left = ends - time.monotonic()
        if left <= 0:
            waited = f" after {timeout:g} s" if timeout else ""
            raise ResultMissing(f"job {job_id!r} has not ended{waited}: it is {ending.state}", ending.state)
        time.sleep(min(pause, left))
        pause = min(pause * _GROWTH, _LONGEST_S)


def _seconds(timeout: float | None) -> float:
    given: Any = 0 if timeout is None else timeout
    if not isinstance(given, int | float) or not given >= 0:
        raise InvalidOption(f"timeout {timeout!r} is not a number of seconds")
    return float(given)


def _value(ending: Ending, queue: str, job_id: str) -> Any:
    if ending.state in ("failed", "cancelled"):
        raise JobFailed(f"job {job_id!r} {_said(ending)}", ending.state, ending.reason, ending.error[0])
    if ending.result:
        try:
            return unwrap_result(get_encoder().decode(ending.result))
        except ResultFailure as error:  # of a job whose record is gone
            reason = f"{error.orig_exc_type}: {error.orig_exc_msg}"
            raise JobFailed(f"job {job_id!r} failed: {reason}", "failed", reason, error.orig_exc_type) from None
    if not ending.state:
        raise JobNotFound(f"no job {job_id!r} in queue {queue!r}: it never was, or its retention has passed")
    if ending.result is not None:
        raise ResultMissing(f"job {job_id!r} completed; its result was kept for its result_ttl, which has passed",
                            ending.state)  # fmt: skip
    return None


def _said(ending: Ending) -> str:
    return f"{'was cancelled' if ending.state == 'cancelled' else 'failed'}: {ending.reason or 'no reason was given'}"
