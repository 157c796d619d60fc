"""The message that Dramatiq's threads see: a MessageProxy that knows its lease, its attempt and what it will commit."""

from __future__ import annotations

import time
from typing import Any

from dramatiq.broker import MessageProxy
from dramatiq.message import Message

from callboard.catalogue import QueueSpec
from callboard.codec import decode_payload, to_message
from callboard.ids import unpack_id
from callboard.records import unpack_head, unpack_record


class Job(MessageProxy):
    """One fetched job, in one worker process, for one attempt.

    Attributes that middleware and actors may read: ``attempt`` (1-based number of this execution), ``max_attempts``
    and ``is_last_attempt`` (set by the Retries middleware before the actor runs), ``workspace``, ``priority``,
    ``wait_ms`` (from when it was startable to its fetch).

    What will be committed with the finish: ``outcome`` and its ``delay_ms``, ``error``, ``reason``, ``result``,
    ``outbox``. Attributes are plain, not looked up in the message, since they are read many times a job.
    """

    # What holds for most jobs stands on the class: a job is made for every execution, so its making must be cheap.
    failed = False
    _exception: BaseException | None = None
    _built: Message[Any] | None = None

    #: The number of this execution (1 first), of how many, and whether it is the last.
    attempt = 1
    max_attempts = 0
    is_last_attempt = False
    stalls = 0
    #: No attempt of it has started before, as far as its record tells: neither failed, nor lost, nor deferred.
    first_start = True
    #: Whoever counts waits has counted this one (see ``middleware.metrics``).
    wait_counted = False

    #: Told to Redis as started: at the fetch, or with a later cycle.
    start_known = False
    #: When it goes back if it has not started (monotonic seconds).
    reserved_until = 0.0
    #: It was given back, or its lease is lost: its start is skipped, its finish is not sent.
    given_back = False
    #: An operator cancelled it; and whether the actor has looked since.
    cancel_asked = False
    cancel_seen = False
    #: When it started (monotonic seconds; 0.0: not), and how long it ran (ms).
    started = 0.0
    duration = 0
    ended = False
    #: Interrupts: how long the actor may run (ms) and until when (monotonic seconds), whether it wants to hear of a
    #: shutdown, whether its call is guarded, whether it was interrupted; how many blocks hold interrupts back, and what
    #: came due within them.
    time_limit_ms: float = 0.0
    notify_shutdown = False
    guarded = False
    #: Its payload was read: what the actor calls from here on are other payloads.
    payload_read = False
    deadline = 0.0
    interrupted = False
    held_back = 0
    due: type[BaseException] | None = None
    #: Why the stored message cannot be decoded ('' if it can).
    unreadable = ""
    #: The actor has returned: what is enqueued on its thread now belongs to the finish.
    committing = False

    outcome: str | None = None
    delay_ms = 0
    error: tuple[str, str, str] | None = None
    reason = ""
    result: bytes | None = None
    #: How long it is kept (ms); None: as long as the job.
    result_ttl_ms: int | None = None
    outbox: list[tuple[Any, ...]] | None = None

    def __init__(
        self, spec: QueueSpec, stored_id: bytes, payload: bytes, packed: bytes, number: int, now_ms: int
    ) -> None:
        """``number`` is that of the fetch, ``now_ms`` when it was, by Redis' clock. A stored message that cannot be
        decoded gives a job without an actor, and ``unreadable`` says why."""
        self.spec = spec
        self.stored_id = stored_id.decode()
        self.number = number
        self.queue_name = spec.name
        self.message_id = unpack_id(self.stored_id)
        priority, ready, workspace, more = unpack_head(packed)
        self.priority = priority
        self.workspace = workspace.decode()
        overlay = b""
        if more:
            record = unpack_record(packed)
            self.attempt, self.stalls = record.attempts + 1, record.stalls
            self.first_start = not (record.attempts or record.stalls or record.started)
            ready = max(ready, record.ready)
            overlay = record.options
        self.wait_ms = max(0, now_ms - ready)
        try:
            parts = decode_payload(payload, overlay)
        except ValueError as error:
            self.unreadable = str(error)
            parts = ("", (), {}, {}, 0)
        self.actor_name, self.args, self.kwargs, self.options, self.message_timestamp = parts
        self.original_options = dict(self.options) if self.options else {}

    @property
    def cancelled(self) -> bool:
        """Whether an operator cancelled the job. An actor that was told so may stop and return: the job then ends as
        cancelled, and nothing that its return would bring about is committed."""
        if self.cancel_asked:
            self.cancel_seen = True
        return self.cancel_asked

    @property
    def exception(self) -> BaseException | None:
        """What Dramatiq keeps of the attempt's error until the ack."""
        return self._exception

    @property
    def alone(self) -> bool:
        """Whether this is the job's last permitted start, so that nothing else may run beside it."""
        return 0 < self.stalls >= self.spec.max_stalls

    @property
    def _message(self) -> Message[Any]:  # type: ignore[override]  # Dramatiq's is an attribute
        """Dramatiq's own message, built when somebody asks for it."""
        if self._built is None:
            parts = (self.actor_name, self.args, self.kwargs, self.options, self.message_timestamp)
            self._built = to_message(self.queue_name, self.message_id, parts)
        return self._built

    def __str__(self) -> str:
        """Without the arguments: Dramatiq logs failed messages by ``str``, and payloads hold private data."""
        return f"{self.actor_name}(job {self.message_id})"

    def stop_clock(self) -> None:
        """The attempt is over: ``duration`` says how long it ran (ms)."""
        if self.started:
            self.duration = int((time.monotonic() - self.started) * 1000)
