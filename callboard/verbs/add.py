"""add: put jobs into a queue, a batch at a time, safely repeated when a reply is lost."""

from __future__ import annotations

import os
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from callboard.catalogue import QueueSpec
from callboard.errors import QueueClosed, QueueFull, StoreUnavailable
from callboard.packing import pack
from callboard.store.store import Store

#: A batch is atomic and bounded, so that no script holds Redis for long: with a million jobs stored, 250 jobs took
#: 5.0–5.5 ms at p99.9 (the hashes grow at times), and more than 150 add hardly any speed.
MAX_BATCH_JOBS = 150
MAX_BATCH_BYTES = 1024 * 1024

#: Waits between resends of an add (seconds).
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.02, 0.5

ADDED, DUPLICATE, TAKEN_BEFORE = "1", "0", "2"


@dataclass(slots=True)
class NewJob:
    """A job that has passed the door: checked, encoded, ready for :func:`add`. Times in ms; ``due_ms`` 0: use delay."""

    stored_id: str
    payload: bytes
    priority: int
    workspace: str
    delay_ms: int
    due_ms: int

    def row(self, kin: Sequence[Any] = ()) -> tuple[Any, ...]:
        """The job as the script takes it; ``kin``: its place in a flow."""
        plain = (self.stored_id, self.payload, self.priority, self.workspace, self.delay_ms, self.due_ms, 0)
        return (*plain, kin) if kin else plain


class _Caller(threading.local):
    """Who adds: a random name a thread, and the number of its last call."""

    name: str = ""
    pid: int = 0
    number: int = 0


_caller = _Caller()


def _next_call() -> tuple[str, int]:
    caller = _caller
    if caller.pid != os.getpid():
        caller.name, caller.pid, caller.number = urlsafe_b64encode(os.urandom(9)).decode(), os.getpid(), 0
    caller.number += 1
    return caller.name, caller.number


def add(store: Store, spec: QueueSpec, jobs: Sequence[NewJob]) -> str:
    """Add a batch of at most ``MAX_BATCH_JOBS`` jobs and ``MAX_BATCH_BYTES``, all or none.

    Returns: one character a job: ``ADDED`` or ``DUPLICATE``.
    Raises: QueueFull, QueueClosed; StoreRefused; StoreUnavailable when Redis did not answer within ``add_timeout_s``.
    """
    return _resent(store, "add", spec, (pack([job.row() for job in jobs]),))


def add_flow(
    store: Store, spec: QueueSpec, job: NewJob, kin: Sequence[Any], messages: Sequence[Sequence[Any]]
) -> bool:
    """Add the root of a flow, and with it messages to the queue's outbox: the flow's other jobs, all or nothing.

    Returns: False when a job of the root's id was there already; nothing was added then.
    Raises: as :func:`add`.
    """
    return _resent(store, "add_flow", spec, (pack([job.row(kin)]), pack(list(messages)))) == ADDED


def _rules(store: Store, spec: QueueSpec) -> tuple[int, int, int]:
    return 1 if spec.fair else 0, spec.max_length or 0, store.settings.events_max


def _resent(store: Store, verb: str, spec: QueueSpec, args: tuple[Any, ...]) -> str:
    """The codes of an add that is sent until it is answered or the time for it is up."""
    args = (*_next_call(), *_rules(store, spec), *args)
    deadline = time.monotonic() + store.settings.add_timeout_s
    wait = _FIRST_WAIT_S
    while True:
        try:
            return _codes(store.call(verb, spec.name, args), spec)
        except StoreUnavailable:
            if time.monotonic() + wait > deadline:
                raise
            threading.Event().wait(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)


def deliver(store: Store, spec: QueueSpec, source: str, rows: Sequence[tuple[Any, ...]]) -> str:
    """Add messages from the outbox of ``source``, in their order; those taken before are passed over.

    Returns: one character a message: ``ADDED``, ``DUPLICATE`` or ``TAKEN_BEFORE``.
    Raises: as :func:`add`, without resending: the outbox is read again later.
    """
    args = (source, *_rules(store, spec), pack(list(rows)))
    return _codes(store.call("deliver", spec.name, args), spec)


def _codes(reply: list[Any], spec: QueueSpec) -> str:
    if reply[0] == 1:
        codes: bytes = reply[1]
        return codes.decode()
    if reply[0] == -1:
        raise QueueFull(f"queue {spec.name!r} is full: it takes {spec.max_length} waiting and delayed jobs")
    raise QueueClosed(
        f"queue {spec.name!r} is being obliterated and takes no jobs; if that was interrupted, repeat it"
    )
