"""The webhooks of the demo: endpoints of a workspace, and the deliveries that each should get."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.jobs import Planned
from demo.webhook_receiver import ReceivedRequest, WebhookReceiver

QUEUE, ACTOR = "webhook-delivery", "deliver_webhook"
WORKSPACE = "demo"
#: How long an endpoint asks the sender to wait (in seconds). More than the queue would wait by itself: 2 s.
RETRY_AFTER_S = 3
#: First wait of the queue before another attempt (ms); it doubles.
BACKOFF_MS = 1_000

REFUSED, ROTATED = "webhook-503-twice", "webhook-two-secrets"
#: The event that goes to everybody who wants it.
FANNED_ID, FANNED, FANNED_DATA = "live", "post.published", {"post": 1, "url": "https://social.example.org/@callboard/1"}


@dataclass(frozen=True, slots=True)
class Hook:
    """An endpoint to register: its path at the receiver, the events that it wants, and how it behaves."""

    path: str
    events: tuple[str, ...]
    #: How it puts off its first requests: 503, with so many seconds in Retry-After or without it. Later ones it takes.
    refusals: tuple[int | None, ...] = ()
    #: Whether its secret is replaced before anything is sent to it.
    rotated: bool = False

    def wants(self, event: str) -> bool:
        """Whether ``event`` is to go to it: the demo's filters are a prefix with ``.*``, or ``*``."""
        return any(event.startswith(each.removesuffix("*")) for each in self.events)


CRM = Hook("/crm", ("post.*",))
ARCHIVE = Hook("/archive", ("*",))
EXPORTS = Hook("/exports", ("export.*",), refusals=(None, RETRY_AFTER_S))
ACCOUNTS = Hook("/accounts", ("user.*",), rotated=True)
HOOKS = (CRM, ARCHIVE, EXPORTS, ACCOUNTS)


@dataclass(frozen=True, slots=True)
class Registered:
    """An endpoint as the registry has it. ``secrets``: those in force, newest first."""

    hook: Hook
    id: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """A job that brings an event to an endpoint, as the receiver is to see it."""

    job: Planned
    to: Registered
    event: str
    data: dict[str, Any]
    webhook_id: str

    def is_seen_in(self, request: ReceivedRequest) -> bool:
        """Whether ``request`` is one of its attempts."""
        return request.path == self.to.hook.path and request.headers.get("webhook-id") == self.webhook_id


def by_name(endpoints: Sequence[Registered]) -> list[Delivery]:
    """Deliveries to one endpoint each, added by name."""
    at = {each.hook: each for each in endpoints}
    return [
        _delivery("webhook-at-once", at[CRM], "post.scheduled", {"post": 2, "note": "Grüße, 日本"}),
        _delivery(REFUSED, at[EXPORTS], "export.finished", {"rows": 1_503}),
        _delivery(ROTATED, at[ACCOUNTS], "user.invited", {"user": "ada"}),
    ]


def fanned_out(endpoints: Sequence[Registered]) -> list[Delivery]:
    """What becomes of the one event: a delivery for each endpoint that wants it, under ids that follow from it."""
    return [
        Delivery(Planned(f"{FANNED_ID}:{each.id}", QUEUE, ACTOR), each, FANNED, FANNED_DATA, FANNED_ID)
        for each in endpoints
        if each.hook.wants(FANNED)
    ]


def instruct(receiver: WebhookReceiver) -> None:
    """Tell the receiver what to refuse at first."""
    for hook in HOOKS:
        for wait_s in hook.refusals:
            headers = {} if wait_s is None else {"Retry-After": str(wait_s)}
            receiver.answer(503, headers, b"busy", times=1, path=hook.path)


def keep_secrets(folder: Path, endpoints: Sequence[Registered]) -> None:
    """Write the secrets beside what is received, for whoever wants to verify it: they were made for this run."""
    kept = {each.hook.path: {"endpoint": each.id, "secrets": each.secrets} for each in endpoints}
    (folder / "secrets.json").write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def _delivery(job_id: str, to: Registered, event: str, data: dict[str, Any]) -> Delivery:
    payload = {"endpoint": to.id, "event": event, "data": data}
    job = Planned(job_id, QUEUE, ACTOR, payload, {"workspace": WORKSPACE}, attempts=1 + len(to.hook.refusals))
    return Delivery(job, to, event, data, job_id)
