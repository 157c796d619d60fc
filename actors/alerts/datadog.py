"""Sending to Datadog's event stream: ``datadog://API_KEY@SITE``, with ``?tags=env:prod,team:ops`` if wanted.

https://docs.datadoghq.com/api/latest/events/post-an-event/ (version 1 of the endpoint: it needs the API key alone).
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

import httpx2

from actors.alerts import wording
from actors.alerts.errors import NotTaken, UnknownService
from actors.alerts.payload import AlertPayload
from actors.alerts.settings import Target

SCHEME = "datadog"

#: Characters that Datadog takes.
_MOST_TEXT, _MOST_KEY = 4_000, 100

_FORM = re.compile(r"datadog://(?P<key>[^@/?#]+)@(?P<site>[A-Za-z0-9.-]+)/?(\?(?P<query>[^#]*))?", re.IGNORECASE)


def post_event(target: Target, said: AlertPayload, timeout_s: float) -> None:
    """Send one notification as an event.

    Raises: UnknownService when the URL is not of the form above; NotTaken with Datadog's answer.
    """
    found = _FORM.fullmatch(target.url.get_secret_value())
    if found is None:
        raise UnknownService(f"the URL of target {target.name!r} is not datadog://API_KEY@SITE")
    site = found["site"].lower()
    tags = ",".join(parse_qs(found["query"] or "").get("tags", []))
    try:
        answer = httpx2.post(
            f"https://api.{site}/api/v1/events",
            json=event(said, [each.strip() for each in tags.split(",") if each.strip()]),
            headers={"DD-API-KEY": unquote(found["key"])},
            timeout=timeout_s,
        )
    except httpx2.HTTPError as error:
        raise NotTaken(f"{target.name}: no answer from api.{site}: {type(error).__name__}") from None
    if answer.status_code // 100 != 2:
        raise NotTaken(
            f"{target.name}: api.{site} answered {answer.status_code} {_phrase(answer.status_code)}".rstrip()
        )


def event(said: AlertPayload, tags: list[str]) -> dict[str, Any]:
    """The event as Datadog takes it. Events of one group of alerts are put together."""
    kind = "success" if said.status == "resolved" else "error" if said.severity == "critical" else "warning"
    body = wording.text(said)
    own = [f"alertname:{said.alertname}", f"severity:{said.severity}" if said.severity else "", "service:callboard"]
    return {
        "title": wording.title(said),
        "text": body if len(body) <= _MOST_TEXT else body[: _MOST_TEXT - 1] + "…",
        "alert_type": kind,
        "priority": "low" if said.status == "resolved" else "normal",
        "aggregation_key": said.group[:_MOST_KEY],
        "source_type_name": "prometheus",
        "tags": [each for each in (*own, f"queue:{said.queue}" if said.queue else "", *tags) if each],
    }


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
