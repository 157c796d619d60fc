"""What an actor may ask about the job it is running for."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from dramatiq.middleware import CurrentMessage


@dataclass(frozen=True, slots=True)
class CurrentJob:
    """The job of the running actor. ``id`` is None, and ``options`` is not kept, when it was called directly.

    What an actor writes into ``options`` is there again in the job's next attempt; it must be JSON.
    """

    id: str | None
    options: MutableMapping[str, Any]
    is_last_attempt: bool


def current_job() -> CurrentJob:
    """The job that the calling thread is running."""
    message = CurrentMessage.get_current_message()
    if message is None:
        return CurrentJob(id=None, options={}, is_last_attempt=False)
    return CurrentJob(id=message.message_id, options=message.options, is_last_attempt=is_last_attempt())


def is_last_attempt() -> bool:
    """Whether the job fails for good if this attempt fails. False when nobody knows."""
    return bool(getattr(CurrentMessage.get_current_message(), "is_last_attempt", None))
