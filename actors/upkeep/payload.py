"""What the maintenance jobs take. Every field has a default, so that a schedule can add them without a payload."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class NoPayload(BaseModel):
    """Nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CleanPolicy(BaseModel):
    """Which ended jobs go."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queues: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="clean these; default: every queue of the catalogue"
    )
    older_than_s: Annotated[FiniteFloat, Field(ge=0)] | None = Field(
        None, description="jobs that ended longer ago than this; default: each queue's own retention"
    )
    limit: int = Field(100_000, ge=1, le=10_000_000, description="jobs of a queue that this job removes at most")
    batch_size: int = Field(1_000, ge=1, le=10_000, description="jobs removed between two signs of progress")
    dry_run: bool = Field(False, description="count what would go and remove nothing")
