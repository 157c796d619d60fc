"""An endpoint: where a workspace wants its events, which ones, the secrets that sign them, and how it is doing."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from pydantic import SecretStr

from actors.webhooks.addresses import AddressPolicy
from actors.webhooks.errors import EndpointInvalid
from actors.webhooks.payload import EVENT

MAX_URL = 2_000
MAX_DESCRIPTION = 200
MAX_FILTER = 50

_EVENT = re.compile(EVENT)
_CONTROL = re.compile(r"[\x00-\x20\x7f]")

#: The last part of a name that resolvers take for a number: the host is an IPv4 address in some spelling (WHATWG URL).
_NUMERIC = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)")


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret, in force from ``since_ms`` until ``until_ms`` (None: until it is replaced)."""

    value: SecretStr
    since_ms: int
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Disabled:
    """Why and when an endpoint was disabled, and by whom ("delivery": by what it answered)."""

    reason: str
    at_ms: int
    by: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. Times are ms since the epoch by Redis' clock.

    ``failing_since_ms``: the first failure after the last success; None while there is none. ``repr`` shows neither
    the URL, which may hold a key, nor a secret.
    """

    id: str
    workspace: str
    url: str = field(repr=False)
    #: Names such as ``post.published``; ``post.*`` for all that begin with ``post.``; ``*`` for all.
    events: tuple[str, ...]
    #: Newest first.
    secrets: tuple[Secret, ...] = field(repr=False)
    created_ms: int
    description: str = field(default="", repr=False)
    disabled: Disabled | None = None
    failing_since_ms: int | None = None
    last_success_ms: int | None = None
    last_failure_ms: int | None = None
    last_failure: str = ""

    @property
    def enabled(self) -> bool:
        """Whether it gets events."""
        return self.disabled is None

    @property
    def host(self) -> str:
        """What may be shown of the URL everywhere."""
        return httpx2.URL(self.url).host

    def wants(self, event: str) -> bool:
        """Whether its filter lets ``event`` through."""
        return any(
            wanted in ("*", event) or (wanted.endswith(".*") and event.startswith(wanted[:-1]))
            for wanted in self.events
        )

    def secrets_in_force(self, now_ms: int) -> list[str]:
        """The secrets that sign now, newest first."""
        return [each.value.get_secret_value() for each in in_force(self.secrets, now_ms)]


def in_force(secrets: Sequence[Secret], now_ms: int) -> list[Secret]:
    """Those of ``secrets`` whose time has not passed."""
    return [each for each in secrets if each.until_ms is None or each.until_ms > now_ms]


def check_url(url: Any, policy: AddressPolicy) -> str:
    """``url`` in its normal form, if an endpoint may have it as far as can be said without asking DNS.

    Raises: EndpointInvalid, never quoting the URL.
    """
    if not isinstance(url, str) or len(url) > MAX_URL or _CONTROL.search(url):
        raise EndpointInvalid(f"url: must be at most {MAX_URL} characters without spaces or control characters")
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise EndpointInvalid("url: is not a valid URL") from None
    if parsed.scheme not in ("https", "http") or not parsed.host:
        raise EndpointInvalid("url: must be an absolute https URL")
    if parsed.userinfo:
        raise EndpointInvalid("url: must not contain a user name or password")
    host = parsed.raw_host.decode()
    labels = host.rstrip(".").split(".")
    if _NUMERIC.fullmatch(labels[-1]) and not _is_dotted(labels):
        raise EndpointInvalid("url: write the address as four decimal numbers, such as 192.0.2.1")
    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    if reason := policy.refusal_by_url(host, port, plain=parsed.scheme == "http"):
        raise EndpointInvalid(f"url: {reason}")
    return str(parsed.copy_with(fragment=None))


def _is_dotted(labels: Sequence[str]) -> bool:
    return len(labels) == 4 and all(part.isdecimal() and str(int(part)) == part and int(part) < 256 for part in labels)


def check_events(events: Any) -> tuple[str, ...]:
    """``events`` if they can be a filter. Raises: EndpointInvalid."""
    if isinstance(events, str) or not isinstance(events, Sequence) or not 1 <= len(events) <= MAX_FILTER:
        raise EndpointInvalid(f"events: must be a list of 1 to {MAX_FILTER} names; ['*'] for all events")
    for each in events:
        name = each.removesuffix(".*") if isinstance(each, str) else ""
        if each != "*" and (not _EVENT.fullmatch(name) or len(name) > 128):
            raise EndpointInvalid("events: each must be a name such as post.published, a prefix such as post.*, or *")
    return tuple(dict.fromkeys(events))


def check_description(description: Any) -> str:
    """``description`` if it can be one. Raises: EndpointInvalid."""
    if not isinstance(description, str) or len(description) > MAX_DESCRIPTION or not description.isprintable():
        raise EndpointInvalid(f"description: must be one line of at most {MAX_DESCRIPTION} characters")
    return description


def dump(endpoint: Endpoint) -> str:
    """What is stored of an endpoint under its id; how it is doing is stored beside it."""
    return json.dumps(
        {
            "workspace": endpoint.workspace,
            "url": endpoint.url,
            "events": endpoint.events,
            "description": endpoint.description,
            "created_ms": endpoint.created_ms,
            "secrets": [[each.value.get_secret_value(), each.since_ms, each.until_ms] for each in endpoint.secrets],
        },
        separators=(",", ":"),
    )


def load(endpoint_id: str, row: Sequence[bytes | None]) -> Endpoint:
    """An endpoint from a row of ``look.lua``."""
    stored, disabled, failing, success, failure = row
    assert stored is not None
    said = json.loads(stored)
    failed = json.loads(failure) if failure else {}
    return Endpoint(
        id=endpoint_id,
        workspace=said["workspace"],
        url=said["url"],
        events=tuple(said["events"]),
        secrets=tuple(Secret(SecretStr(value), since, until) for value, since, until in said["secrets"]),
        created_ms=said["created_ms"],
        description=said["description"],
        disabled=Disabled(**json.loads(disabled)) if disabled else None,
        failing_since_ms=int(failing.partition(b":")[0]) if failing else None,
        last_success_ms=int(success) if success else None,
        last_failure_ms=failed.get("at_ms"),
        last_failure=failed.get("reason", ""),
    )
