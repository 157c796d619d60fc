"""Verbs on one job: remove, retry, promote, cancel, reprioritise, reschedule, edit.

Which verb does what in which state is one table, ``EFFECTS``; docs/reference/verbs.md is generated from it and a test
tries every cell.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from callboard.catalogue import QueueSpec
from callboard.codec import decode_payload, encode_payload
from callboard.door import check_payload, check_payload_size, check_priority, delay_in_ms, when
from callboard.errors import InvalidOption, JobNotFound, PayloadChanged, PayloadInvalid, WrongState
from callboard.ids import check_id, pack_id
from callboard.payloads import VERSION_OPTION, Checker
from callboard.records import STATES
from callboard.store.store import Store

#: Characters of a reason that operators give.
REASON_MAX = 500

#: What a verb did: "done", "told" (the worker that runs the job hears of it within a second), "already" (it was so).
Outcome = Literal["done", "told", "already"]

_OUTCOMES: dict[int, Outcome] = {1: "done", 2: "told", 0: "already"}

ALL_STATES = ("waiting", "delayed", "blocked", "active", "completed", "failed", "cancelled")

#: verb -> state -> what it does there; a verb that a state does not name raises WrongState in it.
EFFECTS: dict[str, dict[str, str]] = {
    "remove": {
        **dict.fromkeys(ALL_STATES, "gone, with all that is kept about it"),
        "active": "refused; with `force` it is cancelled first, then gone",
    },
    "retry": dict.fromkeys(("completed", "failed", "cancelled"), "waiting, at its own priority"),
    "promote": {"delayed": "waiting, at its own priority", "waiting": "already"},
    "cancel": {
        **dict.fromkeys(("waiting", "delayed", "blocked"), "cancelled at once"),
        "active": "told: its actor is interrupted within a second, then cancelled",
        "cancelled": "already",
    },
    "reprioritise": {
        "waiting": "behind its equals of the new priority",
        **dict.fromkeys(("delayed", "blocked"), "takes effect when it waits"),
    },
    "reschedule": {"waiting": "delayed until then", "delayed": "delayed until then"},
    "edit": dict.fromkeys(("waiting", "delayed", "blocked"), "the new payload"),
}


def _one(store: Store, verb: str, queue: str, job_id: str, *args: Any) -> Outcome:
    """Run a verb on one job and name its answer.

    Raises: JobNotFound, WrongState, PayloadChanged; StoreUnavailable.
    """
    code, state = store.call(verb, queue, (pack_id(check_id(job_id)), *args))
    if code in _OUTCOMES:
        return _OUTCOMES[code]
    if code == -1:
        raise JobNotFound(f"no job {job_id!r} in queue {queue!r}: it never was, or its retention has passed")
    if code == -3:
        raise PayloadChanged(f"the payload of job {job_id!r} was changed meanwhile; read it again and repeat the edit")
    word = STATES[state]
    allowed = ", ".join(s for s, effect in EFFECTS[verb].items() if not effect.startswith("refused"))
    raise WrongState(f"cannot {verb} job {job_id!r}: it is {word}; possible while {allowed}", word)


def remove(store: Store, queue: str, job_id: str, *, force: bool = False) -> Outcome:
    """Remove a job in any state but active; with ``force`` an active one is cancelled first ("told")."""
    return _one(store, "remove", queue, job_id, int(force), store.settings.events_max)


def retry(store: Store, spec: QueueSpec, job_id: str, *, reset_attempts: bool = False) -> Outcome:
    """Let an ended job wait again. Without ``reset_attempts`` its attempts count on: it gets one more."""
    return _one(store, "retry", spec.name, job_id, int(reset_attempts), int(spec.fair), store.settings.events_max)


def promote(store: Store, spec: QueueSpec, job_id: str) -> Outcome:
    """Let a delayed job wait now."""
    return _one(store, "promote", spec.name, job_id, int(spec.fair), store.settings.events_max)


def cancel(store: Store, spec: QueueSpec, job_id: str, reason: str = "") -> Outcome:
    """Cancel a job: at once when it has not started, else its worker is told."""
    args = (check_reason(reason), spec.keep_completed, store.settings.events_max)
    return _one(store, "cancel", spec.name, job_id, *args)


def cancel_stored(store: Store, spec: QueueSpec, stored_id: str, reason: str) -> bool:
    """Cancel the job of a stored id, whatever state it is in. Returns: whether it is there."""
    code, _ = store.call("cancel", spec.name, (stored_id, reason, spec.keep_completed, store.settings.events_max))
    return bool(code != -1)


def check_reason(reason: Any) -> str:
    """``reason`` if it can be kept with a job. Raises: InvalidOption."""
    if not isinstance(reason, str) or len(reason) > REASON_MAX:
        raise InvalidOption(f"a reason is a text of at most {REASON_MAX} characters")
    return str(reason.encode("utf-8", "replace").decode())


def reprioritise(store: Store, spec: QueueSpec, job_id: str, priority: int) -> Outcome:
    """Change the priority (1…1000) of a job that has not started."""
    return _one(store, "reprioritise", spec.name, job_id, check_priority(priority), int(spec.fair))


def reschedule(
    store: Store, spec: QueueSpec, job_id: str, *, delay: float | None = None, run_at: datetime | None = None
) -> Outcome:
    """Change when a waiting or delayed job runs: ``delay`` seconds from now, or at ``run_at`` (with a zone)."""
    if (delay is None) == (run_at is None):
        raise InvalidOption("give either delay or run_at")
    delay_ms, due_ms = when(delay_in_ms(delay), run_at)
    return _one(store, "reschedule", spec.name, job_id, delay_ms, due_ms, int(spec.fair), store.settings.events_max)


def edit_payload(
    store: Store,
    spec: QueueSpec,
    job_id: str,
    payload: dict[str, Any],
    takes_of: Callable[[str], Checker | None] = lambda _: None,
) -> Outcome:
    """Replace the payload (keyword arguments) of a job that has not started; its actor and options stay.

    ``takes_of`` gives what an actor takes.

    Raises: PayloadChanged when somebody else edited it between reading and writing; PayloadInvalid, PayloadTooLarge.
    """
    stored = pack_id(check_id(job_id))
    if not isinstance(payload, dict):
        raise PayloadInvalid(f"the payload is not an object of named values but {type(payload).__name__}")
    reply = store.call("get", spec.name, (stored,))
    if reply is None:
        raise JobNotFound(f"no job {job_id!r} in queue {spec.name!r}: it never was, or its retention has passed")
    try:
        actor, args, _, options, timestamp = decode_payload(reply[0] or b"")
    except ValueError as error:
        raise InvalidOption(f"the stored message of job {job_id!r} cannot be read: {error}") from error
    takes = takes_of(actor)
    if takes is not None:
        options.pop(VERSION_OPTION, None)
        check_payload(takes, args, payload, options)
    encoded = encode_payload(actor, args, payload, options, timestamp)
    check_payload_size(spec, encoded)
    return _one(store, "edit", spec.name, job_id, reply[0], encoded)
