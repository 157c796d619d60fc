"""What the model's queue holds: jobs, and what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

ENDED = {"c": "completed", "f": "failed", "x": "cancelled"}

#: What every job returns that returns something.
RESULT = b'"result"'

#: (job id, number of the fetch that got it)
Held = tuple[str, int]


class Message(NamedTuple):
    """What a job carries: its actor, its tag, and the payload as it is stored."""

    actor: str
    tag: str
    payload: bytes


class Mark(NamedTuple):
    """An active job was cancelled: why, and whether it is to be removed once it has stopped."""

    reason: str
    remove: bool = False


class End(NamedTuple):
    """How a worker ends an attempt; times in ms, ``sends`` messages to other queues.

    ``ttl`` is 0 without a result, None for one that lives as long as the job.
    """

    outcome: str
    delay: int
    ttl: int | None
    sends: int
    reason: str


class NewJob(NamedTuple):
    """A job that a producer adds; ``delay`` in ms."""

    id: str
    priority: int
    workspace: str
    delay: int
    message: Message


@dataclass
class ModelJob:
    """One job. Times in ms; ``at`` is when it is due, its lease runs out, or when it ended, as its state has it.

    ``tried_at`` is when its last attempt ended, 0 once it was fetched or given back after that.
    """

    id: str
    priority: int
    workspace: str
    message: Message
    added: int
    tried_at: int = 0
    state: str = "waiting"
    at: int = 0
    turn: int = 0
    owner: tuple[str, int] | None = None
    started: bool = False
    attempts: int = 0
    stalls: int = 0
    lost: int = 0
    reason: str = ""
    mark: Mark | None = None
    errors: list[str] = field(default_factory=list)
    progress: int | None = None
    log: list[str] = field(default_factory=list)
    checkpoints: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """What the catalogue says of the queue; times in ms, ``keep`` and ``keep_ms`` by state."""

    lease: int
    tidy_every: int
    max_stalls: int
    keep: dict[str, int]
    keep_ms: dict[str, int]
