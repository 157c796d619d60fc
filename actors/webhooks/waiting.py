"""How long to wait before an event is sent again, where the endpoint's answer says something about it."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from callboard.catalogue import QueueSpec

#: Answers of an endpoint, or of the proxy in front of it, that has too much to do (Standard Webhooks, "Throttling").
OVERLOADED = frozenset({429, 502, 504})


def asked_wait_s(retry_after: str | None, now: datetime) -> float | None:
    """What a ``Retry-After`` header asks for, in seconds: a number of them, or a date (RFC 9110, section 10.2.3).

    Returns: None when there is none, or it is neither.
    """
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:12])
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the second: a zone that is further off than a date can be
        return None
    # A date without a zone is one in GMT: the header allows no other.
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())


def wait_s(
    status: int, retry_after: str | None, *, attempt: int, spec: QueueSpec, most_s: float, slow_down: float,
    now: datetime | None = None,
) -> float | None:  # fmt: skip
    """Seconds to wait after an answer of ``status``; None: as the queue says.

    An endpoint may ask for a longer wait than usual, up to ``most_s``, never for a shorter one. One that has too much
    to do and asks for nothing gets ``slow_down`` times the usual wait.

    Args:
        attempt: the number of the one that failed, 1 for the first.
        spec: of the queue, for its usual wait.
        now: aware; default: the present.
    """
    growth = 1 if spec.backoff == "fixed" else 2 ** min(attempt - 1, 32)
    usual = min(spec.backoff_base_ms * growth, spec.backoff_cap_ms) / 1000
    asked = asked_wait_s(retry_after, now or datetime.now(UTC))
    if asked is not None:
        wait = max(usual, min(asked, most_s))
    elif status in OVERLOADED:
        wait = max(usual, min(usual * slow_down, spec.backoff_cap_ms / 1000))
    else:
        return None
    # Everybody who was told the same time must not come back in the same second.
    return wait * (1 + random.uniform(0, spec.backoff_jitter))
