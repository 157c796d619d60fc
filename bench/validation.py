"""What checking a payload costs: ten fields (texts with patterns and lengths, numbers with ranges, a date, an
enumeration, a list of objects, optional ones), 20,000 checks each after a warm-up, in one thread. By the published
schema, as a producer without the actor does it; by the model, as `send()` does it; and in the worker, where it becomes
the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bench.context import Context
from bench.rows import Outcome, at_most
from callboard.payloads import VERSION_OPTION, Contract, PublishedSchema

_CHECKS, _WARM_UP, _LIMIT_US = 20_000, 500, 15.0


class _Image(BaseModel):
    url: str = Field(max_length=2_000)
    alt: str | None = None


class _Post(BaseModel):
    """Ten fields, as a job of the platform has them."""

    model_config = ConfigDict(extra="forbid")

    account: str = Field(min_length=1, max_length=64)
    network: Literal["bluesky", "mastodon", "linkedin"]
    text: str = Field(max_length=5_000)
    language: str = Field("en", pattern=r"^[a-z]{2}$")
    publish_at: datetime
    images: list[_Image] = Field(default_factory=list, max_length=4)
    tags: list[str] = Field(default_factory=list)
    budget: float = Field(0.0, ge=0)
    retries: int = Field(3, ge=0, le=10)
    note: str | None = None


_PAYLOAD: dict[str, Any] = {
    "account": "acme", "network": "mastodon", "text": "The callboard is up. " * 8, "language": "en",
    "publish_at": "2026-05-01T10:00:00Z", "images": [{"url": "https://cdn.example.org/1.png", "alt": "a chart"}],
    "tags": ["spring", "launch"], "budget": 12.5, "retries": 3, "note": None,
}  # fmt: skip


def measure(context: Context) -> Outcome:
    """The three checks."""
    contract = Contract("publish", _Post)
    told = contract.published()
    schema = PublishedSchema("publish", told["schema"], told[VERSION_OPTION])
    checks: dict[str, Callable[[], object]] = {
        "by the published schema": partial(schema.check, (), _PAYLOAD),
        "by the model": partial(contract.check, (), _PAYLOAD),
        "in the worker": partial(contract.read, (), _PAYLOAD, 1),
    }
    taken = {name: context.undisturbed(partial(_microseconds, check)) for name, check in checks.items()}
    context.say("validation: " + ", ".join(f"{name} {us:.1f} µs" for name, us in taken.items()))
    rows = [at_most(f"validation, {name}", us, "µs", _LIMIT_US, "ten fields") for name, us in taken.items()]
    return Outcome(rows, {"validation_us": max(taken.values())})


def _microseconds(check: Callable[[], object]) -> float:
    for _ in range(_WARM_UP):
        check()
    start = time.perf_counter()
    for _ in range(_CHECKS):
        check()
    return 1e6 * (time.perf_counter() - start) / _CHECKS
