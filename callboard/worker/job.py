"""The message that Dramatiq's threads see: a MessageProxy that knows its lease, its attempt and what it will commit."""

from __future__ import annotations

import time
from typing import Any

from dramatiq.broker import MessageProxy
from dramatiq.message import Message, get_encoder

from callboard.catalogue import QueueSpec
from callboard.codec import decode_payload, to_message
from callboard.ids import unpack_id
from callboard.records import Record, unpack_record


class Job(MessageProxy):
    """One fetched job, in one worker process, for one attempt.

    Attributes that middleware and actors may read: ``attempt`` (1-based number of this execution), ``max_attempts``
    and ``is_last_attempt`` (set by the Retries middleware before the actor runs), ``workspace``, ``priority``,
    ``ready_ms`` (when it became startable, by Redis' clock).

    What will be committed with the finish: ``outcome`` and its ``delay_ms``, ``error``, ``reason``, ``result``,
    ``outbox``. Attributes are plain, not looked up in the message, since they are read many times a job.
    """

    def __init__(self, spec: QueueSpec, stored_id: bytes, number: int, record: Record, now_ms: int) -> None:
        self.failed = False
        self._exception: BaseException | None = None
        self._built: Message[Any] | None = None
        self.spec = spec
        self.stored_id = stored_id.decode()
        self.number = number
        self.queue_name = spec.name
        self.message_id = unpack_id(stored_id)
        self.actor_name = ""
        self.args = ()
        self.kwargs = {}
        self.options = {}
        self.original_options: dict[str, Any] = {}
        self.message_timestamp = 0

        self.attempt: int = record.attempts + 1
        self.max_attempts: int = 0
        self.is_last_attempt = False
        self.stalls: int = record.stalls
        self.lost: int = record.lost
        self.priority: int = record.priority
        self.workspace: str = record.workspace.decode()
        self.ready_ms: int = max(record.added, record.ready)
        self.fetched_ms = now_ms
        self.wait_ms = max(0, now_ms - self.ready_ms)

        #: Told to Redis as started: at the fetch, or with a later cycle.
        self.start_known = False
        #: When it goes back if it has not started (monotonic seconds).
        self.reserved_until = 0.0
        #: It was given back, or its lease is lost: its start is skipped, its finish is not sent.
        self.given_back = False
        self.started = 0.0
        self.duration = 0
        self.ended = False
        #: Interrupts: how long the actor may run (ms), and whether it wants to hear of a shutdown.
        self.time_limit_ms: float = spec.time_limit_ms
        self.notify_shutdown = False
        self.guarded = False
        #: The actor has returned: what is enqueued on its thread now belongs to the finish.
        self.committing = False

        self.outcome: str | None = None
        self.delay_ms = 0
        self.error: tuple[str, str, str] | None = None
        self.reason = ""
        self.result: bytes | None = None
        self.result_ttl_ms = 0
        self.outbox: list[tuple[Any, ...]] | None = None

    def decode(self, payload: bytes, overlay: bytes) -> None:
        """Fill in what the stored message says; ``overlay`` has the options that an earlier attempt changed.

        Raises: ValueError when the stored message cannot be decoded.
        """
        self.actor_name, self.args, self.kwargs, self.options, self.message_timestamp = decode_payload(payload)
        if overlay:
            self.options = get_encoder().decode(overlay)
        self.original_options = dict(self.options)

    @property
    def alone(self) -> bool:
        """Whether this is the job's last permitted start, so that nothing else may run beside it."""
        return 0 < self.stalls >= self.spec.max_stalls

    @property
    def _message(self) -> Message[Any]:
        """Dramatiq's own message, built when somebody asks for it."""
        if self._built is None:
            parts = (self.actor_name, self.args, self.kwargs, self.options, self.message_timestamp)
            self._built = to_message(self.queue_name, self.message_id, parts)
        return self._built

    def stop_clock(self) -> None:
        """The attempt is over: ``duration`` says how long it ran (ms)."""
        if self.started:
            self.duration = int((time.monotonic() - self.started) * 1000)


def job_from(spec: QueueSpec, row: tuple[bytes, bytes | None, bytes], number: int, now_ms: int) -> tuple[Job, str]:
    """The job of a fetched row (stored id, payload, packed record), and what is wrong with it ('' if nothing)."""
    stored_id, payload, packed = row
    record = unpack_record(packed)
    job = Job(spec, stored_id, number, record, now_ms)
    if payload is None:
        return job, "the stored message is gone"
    try:
        job.decode(payload, record.options)
    except ValueError as error:
        return job, str(error)
    return job, ""
