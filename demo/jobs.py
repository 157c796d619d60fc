"""A job of the demo: what is added, and how it should end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Planned:
    """A job to add by name, and how it should end: completed, after so many attempts."""

    job_id: str
    queue: str
    actor: str
    payload: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    #: Executions that it should take.
    attempts: int = 1
