"""Whether the webhooks went as they should, as the receivers see it: they know their secrets and trust nobody.

Signatures are verified with the library that receivers use (https://www.standardwebhooks.com), not with our own code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from callboard.records import JobView
from demo.evidence import Evidence
from demo.play import Cast
from demo.verdict import Check, check_retries, waits_ms
from demo.webhook_receiver import ReceivedRequest
from demo.webhooks import BACKOFF_MS, FANNED, FANNED_ID, REFUSED, RETRY_AFTER_S, ROTATED, Delivery, Registered


def check_webhooks(cast: Cast, evidence: Evidence) -> list[Check]:
    """The checks of the webhooks."""
    requests = [_as_kept(request) for request in evidence.requests]
    came = {each.job.job_id: [request for request in requests if each.is_seen_in(request)] for each in cast.deliveries}
    by_id = {each.job.job_id: each for each in cast.deliveries}
    return [
        _arrivals(cast, requests, came),
        _refusals(by_id.get(REFUSED), came, evidence.views),
        _fan_out(cast, came),
        _rotation(by_id.get(ROTATED), came),
    ]


def _as_kept(request: ReceivedRequest) -> ReceivedRequest:
    """The request as it lies in the folder, which is what the demo shows."""
    if request.file is None:
        return request
    kept = json.loads(request.file.read_bytes())
    return replace(request, path=kept["path"], headers=kept["headers"], body=kept["body"].encode())


def _arrivals(cast: Cast, requests: Sequence[ReceivedRequest], came: Mapping[str, list[ReceivedRequest]]) -> Check:
    """Each delivery came once an attempt, right in everything, and nothing else came."""
    problems = []
    for delivery in cast.deliveries:
        got = came[delivery.job.job_id]
        if len(got) != delivery.job.attempts:
            problems.append(f"{delivery.job.job_id} came {len(got)} times instead of {delivery.job.attempts}")
        for request in got:
            problems += [f"{delivery.job.job_id}: {each}" for each in _content(request, delivery, cast.endpoints)]
    known = [request for got in came.values() for request in got]
    problems += [
        f"nobody sent {request.headers.get('webhook-id')!r} to {request.path}, yet it came"
        for request in requests
        if request not in known
    ]
    shown = (
        f"{len(cast.deliveries)} webhooks arrived in {len(requests)} requests; each is signed by the secret of its "
        f"endpoint and of no other of the {len(cast.endpoints)} (Standard Webhooks), each body is as it was sent"
    )
    return Check(shown, problems)


def _content(request: ReceivedRequest, delivery: Delivery, endpoints: Sequence[Registered]) -> list[str]:
    problems = []
    for endpoint in endpoints:
        for secret in endpoint.secrets:
            if endpoint.id == delivery.to.id and not _verifies(request, secret):
                problems.append(f"its signature is not right by a secret of {endpoint.hook.path}")
            if endpoint.id != delivery.to.id and _verifies(request, secret):
                problems.append(f"its signature is right by a secret of {endpoint.hook.path}")
    try:
        said = json.loads(request.body)
    except ValueError:
        said = None
    if not isinstance(said, dict) or (said.get("type"), said.get("data")) != (delivery.event, delivery.data):
        problems.append("its body is not what was sent")
    return problems


def _verifies(request: ReceivedRequest, secret: str) -> bool:
    try:
        Webhook(secret).verify(request.body, request.headers, json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def _refusals(
    delivery: Delivery | None, came: Mapping[str, list[ReceivedRequest]], views: Mapping[str, JobView]
) -> Check:
    """Refused at first, delivered then: the same in each attempt but for when it was signed."""
    view = views.get(REFUSED)
    if delivery is None or view is None:
        return Check(f"{REFUSED} was retried", [f"{REFUSED} is gone"])
    problems = check_retries(view, delivery.job.attempts, BACKOFF_MS, "503")
    waits = waits_ms(view)
    for asked, waited in zip(delivery.to.hook.refusals, waits, strict=False):
        if asked is not None and waited < asked * 1000:
            problems.append(f"{REFUSED} was asked to wait {asked} s and came after {waited} ms")
    got = came[REFUSED]
    if len({request.body for request in got}) > 1:
        problems.append(f"{REFUSED} has not the same body in every attempt")
    times = [int(request.headers.get("webhook-timestamp", "0")) for request in got]
    if sorted(set(times)) != times:
        problems.append(f"{REFUSED} has not a fresh timestamp in every attempt: {times}")
    told = " and ".join(f"{waited / 1000:.1f} s" for waited in waits)
    shown = (
        f"{REFUSED} was put off by its endpoint (503), the second time with Retry-After: {RETRY_AFTER_S}, and "
        f"delivered after waits of {told}: one webhook-id, one body, {len(times)} timestamps"
    )
    return Check(shown, problems)


def _fan_out(cast: Cast, came: Mapping[str, list[ReceivedRequest]]) -> Check:
    """Whoever wants the event has it; that nobody else has is in the first check."""
    wanted = [each.hook.path for each in cast.endpoints if each.hook.wants(FANNED)]
    others = [each.hook.path for each in cast.endpoints if not each.hook.wants(FANNED)]
    got = sorted(each.to.hook.path for each in cast.fanned_out if came[each.job.job_id])
    problems = [] if got == sorted(wanted) else [f"{FANNED} came to {', '.join(got) or 'nobody'}"]
    if not wanted or not others:
        problems.append("there are no endpoints that want it, and others that do not")
    shown = (
        f"{FANNED} was published once and came to {' and '.join(wanted)} under one webhook-id ({FANNED_ID}); "
        f"{' and '.join(others)}, whose filters do not want it, got nothing of it"
    )
    return Check(shown, problems)


def _rotation(delivery: Delivery | None, came: Mapping[str, list[ReceivedRequest]]) -> Check:
    """Whoever still has the old secret, and whoever has the new one, can verify the same request."""
    if delivery is None:
        return Check(f"{ROTATED} was signed twice", [f"{ROTATED} is gone"])
    problems = (
        [] if len(delivery.to.secrets) == 2 else [f"{len(delivery.to.secrets)} secrets are in force instead of 2"]
    )
    for request in came[ROTATED]:
        signatures = request.headers.get("webhook-signature", "").split()
        if len(signatures) != 2:
            problems.append(f"{ROTATED} has {len(signatures)} signatures instead of 2")
        problems += [
            f"{ROTATED} does not verify by the {name} secret"
            for name, secret in zip(("new", "old"), delivery.to.secrets, strict=False)
            if not _verifies(request, secret)
        ]
    shown = f"{ROTATED} came after its endpoint's secret was replaced, and verifies by the old one and by the new one"
    return Check(shown, problems)
