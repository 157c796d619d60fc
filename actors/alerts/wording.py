"""How a notification is put into words: a title, and a text that is long or fits a telephone."""

from __future__ import annotations

from datetime import UTC

from actors.alerts.payload import AlertPayload, ListedAlert


def title(said: AlertPayload) -> str:
    """``[FIRING:2] WaitingJobsHigh post-publishing``, as Slack has it."""
    count = f":{said.firing}" if said.status == "firing" else ""
    return f"[{said.status.upper()}{count}] {said.alertname} {said.queue}".rstrip()


def text(said: AlertPayload) -> str:
    """Every listed alert with its description, since when it fires, and its links."""
    parts = [_block(each) for each in said.alerts]
    left = said.firing + said.resolved - len(said.alerts)
    if left > 0:
        parts.append(f"… and {left} more")
    return "\n\n".join(parts)


def brief(said: AlertPayload, most: int) -> str:
    """The summaries alone, at most ``most`` characters of them."""
    lines = [_summary(each) for each in said.alerts]
    left = said.firing + said.resolved - len(said.alerts)
    whole = "\n".join([*lines, *([f"… and {left} more"] if left > 0 else [])])
    return whole if len(whole) <= most else whole[: most - 1].rstrip() + "…"


def _summary(alert: ListedAlert) -> str:
    return f"resolved: {alert.summary}" if alert.status == "resolved" else alert.summary


def _block(alert: ListedAlert) -> str:
    since = f"{alert.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    lines = [_summary(alert)]
    if alert.status == "firing":
        lines += [alert.description] if alert.description else []
        lines.append(f"since {since}")
        lines += [f"Runbook: {alert.runbook_url}"] if alert.runbook_url else []
        lines += [f"Dashboard: {alert.dashboard_url}"] if alert.dashboard_url else []
    else:
        lines.append(f"fired since {since}")
    return "\n".join(lines)
