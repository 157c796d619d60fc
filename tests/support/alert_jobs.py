"""Notifications of alerts for tests: as Alertmanager posts them, and as jobs have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from actors.alerts.incoming import IncomingGroup
from actors.alerts.payload import AlertPayload
from actors.alerts.publishing import told


def posted(
    name: str = "WaitingJobsHigh",
    queue: str = "post-publishing",
    *,
    severity: str = "warning",
    status: str = "firing",
    alerts: int = 1,
    since: str = "2026-03-01T07:30:00Z",
    **changes: Any,
) -> dict[str, Any]:
    """A message of Alertmanager's webhook, version 4; fields by their own names in ``changes``."""
    labels = {"alertname": name, "queue": queue, "severity": severity}
    each = {
        "status": status,
        "annotations": {
            "summary": f"{queue}: more than 10,000 waiting jobs",
            "description": "Workers do not keep up, or none is there.",
            "runbook_url": f"http://127.0.0.1:8080/runbooks/queues#{name.lower()}",
            "dashboard_url": f"http://127.0.0.1:3000/d/callboard-queue?var-queue={queue}",
        },
        "startsAt": since,
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-03-01T08:00:00Z",
        "generatorURL": "http://127.0.0.1:9090/graph",
    }
    return {
        "version": "4",
        "groupKey": f'{{}}/{{}}:{{alertname="{name}", queue="{queue}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "callboard",
        "groupLabels": {"alertname": name, "queue": queue},
        "commonLabels": labels,
        "commonAnnotations": {},
        "externalURL": "http://127.0.0.1:9093",
        "alerts": [{**each, "labels": {**labels, "n": str(n)}, "fingerprint": f"{n:016x}"} for n in range(alerts)],
        **changes,
    }


def payload(target: str, **given: Any) -> AlertPayload:
    """What a job says of such a message."""
    return told(IncomingGroup.model_validate_json(json.dumps(posted(**given))), target)


def as_setting(targets: Mapping[str, Any]) -> str:
    """``CALLBOARD_ALERTS_TARGETS`` of these targets."""
    return json.dumps(dict(targets))
