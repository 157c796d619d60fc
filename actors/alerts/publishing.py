"""From a notification of Alertmanager's to jobs: one for each target that wants it, however often it is posted."""

from __future__ import annotations

import hashlib
import time

from actors.alerts.incoming import IncomingAlert, IncomingGroup
from actors.alerts.payload import MOST_DESCRIPTION, MOST_LISTED, MOST_SUMMARY, MOST_URL, AlertPayload, ListedAlert
from actors.alerts.settings import Targets
from callboard.catalogue import Priority
from callboard.errors import JobNotFound
from callboard.service import AddResult, JobSpec, QueueService

QUEUE, ACTOR = "webhook-delivery", "forward_alert"

#: The same notification within this time (seconds) is Alertmanager trying again, since it has not heard our answer; it
#: gives up before. Later it is a reminder (``repeat_interval``), which people are to read.
SAME_S = 1_800


def publish_notification(
    service: QueueService, group: IncomingGroup, targets: Targets, *, now_s: float | None = None
) -> list[AddResult]:
    """Add one job for each of ``targets`` that wants notifications of this severity.

    Args:
        now_s: seconds since the epoch; default: the present.

    Returns: one result a target; "duplicate" for one whose job was added already.

    Raises: UnknownActor, QueueFull, StoreUnavailable and what else an add may; repeating the call is safe then.
    """
    severity = _severity(group)
    wanted = [target for target in targets.by_name.values() if target.wants(severity)]
    identity = _identity(group)
    slot = int((time.time() if now_s is None else now_s) // SAME_S)
    found: dict[str, AddResult] = {}
    new = []
    for target in wanted:
        before, job_id = (f"alert-{target.name}-{identity}-{each}" for each in (slot - 1, slot))
        if _added_within(service, before, SAME_S, now_s):
            found[target.name] = AddResult(before, QUEUE, "duplicate")
        else:
            payload = told(group, target.name).model_dump(mode="json", exclude_defaults=True)
            new.append((target.name, JobSpec(ACTOR, payload, id=job_id, options={"priority": Priority.CRITICAL})))
    if new:
        added = service.add_jobs(QUEUE, [job for _, job in new])
        found |= {name: result for (name, _), result in zip(new, added, strict=True)}
    return [found[target.name] for target in wanted]


def _added_within(service: QueueService, job_id: str, seconds: float, now_s: float | None) -> bool:
    try:
        job = service.get_job(QUEUE, job_id)
    except JobNotFound:
        return False
    return (time.time() if now_s is None else now_s) - job.added_ms / 1000 < seconds


def _identity(group: IncomingGroup) -> str:
    """The same for the same notification: its group, and which of the alerts fire, since when."""
    parts = [group.group_key, group.status]
    parts += sorted(f"{each.fingerprint} {each.status} {each.starts_at.isoformat()}" for each in group.alerts)
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:24]


def told(group: IncomingGroup, target: str) -> AlertPayload:
    """So much of a notification as people are told."""
    firing = [each for each in group.alerts if each.status == "firing"]
    resolved = [each for each in group.alerts if each.status == "resolved"]
    return AlertPayload(
        target=target,
        status=group.status,
        severity=_severity(group)[:100],
        alertname=(group.group_labels.get("alertname") or group.alerts[0].labels.get("alertname", "alert"))[:500],
        queue=group.group_labels.get("queue", "")[:200],
        group=hashlib.sha256(group.group_key.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        firing=len(firing) + (group.truncated_alerts if group.status == "firing" else 0),
        resolved=len(resolved) + (group.truncated_alerts if group.status == "resolved" else 0),
        alerts=[_listed(each) for each in (*firing, *resolved)[:MOST_LISTED]],
        alertmanager_url=group.external_url,
    )


def _severity(group: IncomingGroup) -> str:
    """The worst of the group's alerts; "" when none says."""
    severities = {each.labels.get("severity", "") for each in group.alerts}
    return next((each for each in ("critical", "warning") if each in severities), max(severities))


def _listed(alert: IncomingAlert) -> ListedAlert:
    said = alert.annotations
    return ListedAlert(
        status=alert.status,
        summary=(said.get("summary") or alert.labels.get("alertname", "alert"))[:MOST_SUMMARY],
        description=said.get("description", "")[:MOST_DESCRIPTION],
        runbook_url=_link(said.get("runbook_url", "")),
        dashboard_url=_link(said.get("dashboard_url", "")),
        since=alert.starts_at,
    )


def _link(url: str) -> str:
    """A URL that is too long is left out: a part of it leads nowhere."""
    return url if len(url) <= MOST_URL else ""
