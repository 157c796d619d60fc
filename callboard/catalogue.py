"""The queue catalogue: what each queue is for and the limits it runs under.

The engine knows no queue by name. The ten queues of the platform are the default value of a setting; a team adds,
replaces or tunes queues with ``CALLBOARD_QUEUES`` (JSON) and touches no code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from callboard.errors import UnknownQueue
from callboard.suggest import did_you_mean

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

#: A queue name is part of Redis keys and of Dramatiq's queue names.
_QUEUE_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9._-]{0,63}")


class Priority(IntEnum):
    """Names for usual priorities. Any integer 1…1000 is allowed; lower runs first."""

    CRITICAL = 1
    HIGH = 3
    NORMAL = 5
    LOW = 7
    BACKGROUND = 10


class Thresholds(BaseModel):
    """Counts above which a queue is no longer healthy. Written here once; alerts and health read them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    failed: int = Field(100, ge=0, description="more failed jobs than this: warning")
    waiting: int = Field(10_000, ge=0, description="more waiting jobs than this: warning")
    delayed: int = Field(5_000, ge=0, description="more delayed jobs than this: warning")
    active: int = Field(1_000, ge=0, description="more active jobs than this: warning")


class QueueSpec(BaseModel):
    """One queue of the catalogue. Times are in milliseconds unless the name says otherwise."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    purpose: str = ""
    priority: Annotated[int, Field(ge=1, le=1000)] = Priority.NORMAL
    max_attempts: int = Field(3, ge=1, description="executions a job may take, the first included")
    backoff: Literal["fixed", "exponential"] = "exponential"
    backoff_base_ms: int = Field(5 * SECOND, ge=0)
    backoff_cap_ms: int = Field(15 * MINUTE, ge=0)
    backoff_jitter: float = Field(0.2, ge=0, le=1, description="up to this share of the delay is added at random")
    time_limit_ms: int = Field(10 * MINUTE, gt=0, description="an attempt longer than this is interrupted")
    wait_target_ms: int = Field(5 * MINUTE, gt=0, description="how long a job should wait at most")
    max_per_process: int | None = Field(None, ge=1, description="jobs of this queue running at once in a process")
    weight: int = Field(1, ge=1, le=100, description="share of scarce slots against other queues")
    fair: bool = Field(True, description="workspaces of one priority take turns")
    lease_ms: int = Field(30 * SECOND, ge=1_000)
    max_stalls: int = Field(2, ge=0, description="lost starts a job survives")
    max_length: int | None = Field(None, ge=1, description="waiting and delayed jobs the queue takes at most")
    max_payload_bytes: int = Field(256 * 1024, ge=1, description="encoded payload of one job")
    keep_completed: int = Field(1_000, ge=0)
    keep_completed_ms: int = Field(DAY, ge=0)
    keep_failed: int = Field(10_000, ge=0)
    keep_failed_ms: int = Field(7 * DAY, ge=0)
    thresholds: Thresholds = Thresholds()
    slo_success: float = Field(0.99, gt=0, lt=1, description="share of jobs that should end well")
    slo_wait: float = Field(0.99, gt=0, lt=1, description="share of jobs that should start within the wait target")

    @field_validator("name")
    @classmethod
    def _valid_name(cls, name: str) -> str:
        if not _QUEUE_NAME.fullmatch(name):
            raise ValueError("a queue name is a letter or underscore, then up to 63 letters, digits, '.', '_' or '-'")
        return name


def default_queues() -> dict[str, QueueSpec]:
    """The ten queues of the platform, in the order in which they are shown."""
    specs = [
        QueueSpec(
            name="post-publishing", purpose="publish posts to social platforms", priority=Priority.HIGH,
            max_attempts=5, backoff_base_ms=5 * SECOND, backoff_cap_ms=15 * MINUTE, time_limit_ms=5 * MINUTE,
            wait_target_ms=30 * SECOND, weight=4,
        ),
        QueueSpec(
            name="analytics-collection", purpose="collect figures of published posts",
            max_attempts=3, backoff_base_ms=30 * SECOND, backoff_cap_ms=30 * MINUTE, time_limit_ms=10 * MINUTE,
            wait_target_ms=10 * MINUTE,
        ),
        QueueSpec(
            name="social-listening", purpose="find mentions and read feeds",
            max_attempts=3, backoff_base_ms=60 * SECOND, backoff_cap_ms=30 * MINUTE, time_limit_ms=5 * MINUTE,
            wait_target_ms=5 * MINUTE,
        ),
        QueueSpec(
            name="media-processing", purpose="scale images, transcode video",
            max_attempts=3, backoff_base_ms=10 * SECOND, backoff_cap_ms=10 * MINUTE, time_limit_ms=30 * MINUTE,
            wait_target_ms=2 * MINUTE, max_per_process=2,
        ),
        QueueSpec(
            name="email-notifications", purpose="send emails", priority=Priority.HIGH,
            max_attempts=5, backoff_base_ms=2 * SECOND, backoff_cap_ms=10 * MINUTE, time_limit_ms=1 * MINUTE,
            wait_target_ms=30 * SECOND, weight=4,
        ),
        QueueSpec(
            name="webhook-delivery", purpose="deliver events to customers' endpoints",
            max_attempts=10, backoff_base_ms=1 * SECOND, backoff_cap_ms=1 * HOUR, time_limit_ms=1 * MINUTE,
            wait_target_ms=10 * SECOND, weight=4, keep_failed_ms=30 * DAY,
        ),
        QueueSpec(
            name="report-generation", purpose="render reports",
            max_attempts=3, backoff="fixed", backoff_base_ms=60 * SECOND, backoff_cap_ms=60 * SECOND,
            time_limit_ms=15 * MINUTE, wait_target_ms=5 * MINUTE, max_per_process=2,
        ),
        QueueSpec(
            name="data-export", purpose="write exports", priority=Priority.LOW,
            max_attempts=3, backoff="fixed", backoff_base_ms=30 * SECOND, backoff_cap_ms=30 * SECOND,
            time_limit_ms=30 * MINUTE, wait_target_ms=5 * MINUTE, max_per_process=2,
        ),
        QueueSpec(
            name="ai-processing", purpose="ask language models",
            max_attempts=4, backoff_base_ms=5 * SECOND, backoff_cap_ms=10 * MINUTE, time_limit_ms=5 * MINUTE,
            wait_target_ms=1 * MINUTE, max_per_process=4,
        ),
        QueueSpec(
            name="maintenance", purpose="clean up and check", priority=Priority.BACKGROUND,
            max_attempts=1, time_limit_ms=30 * MINUTE, wait_target_ms=1 * HOUR, max_per_process=1,
        ),
    ]  # fmt: skip
    return {spec.name: spec for spec in specs}


class Catalogue(Mapping[str, QueueSpec]):
    """The queues of a deployment, by name. Looking up an unknown name raises :class:`UnknownQueue`."""

    def __init__(self, specs: Mapping[str, QueueSpec]) -> None:
        self._specs = dict(specs)

    def __getitem__(self, name: str) -> QueueSpec:
        try:
            return self._specs[name]
        except KeyError:
            known = ", ".join(self._specs)
            meant = did_you_mean(name, self._specs)
            raise UnknownQueue(f"unknown queue {name!r}{meant}; the catalogue has: {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __contains__(self, name: object) -> bool:
        return name in self._specs
