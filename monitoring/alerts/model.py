"""What an alert is, and how it becomes a rule of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from monitoring.limits import Severity
from monitoring.site import Site

#: Where alerts belong: the rule file, the rule group and the page of runbooks of that name.
Page = Literal["queues", "slo", "workers", "schedules", "redis", "monitoring"]

#: Label that says what an alert is about; "" when it is about the deployment.
About = Literal["queue", "worker", "schedule", "collector", ""]


@dataclass(frozen=True, slots=True)
class Alert:
    """One rule that fires. Several may share a name when they differ in queues or windows.

    ``hold``: how long ``expr`` must hold, a duration that was scaled for the site, "" for not at all. ``dashboard``:
    uid of the one that shows it. ``why``: what the rule is for, and what somebody would else undo. ``labels``: further
    ones, beside those that the expression has.
    """

    name: str
    page: Page
    expr: str
    hold: str
    severity: Severity
    summary: str
    description: str
    dashboard: str
    why: str
    about: About = "queue"
    labels: Mapping[str, str] = field(default_factory=dict)

    def annotations(self, site: Site) -> dict[str, str]:
        """What a reader is told, and where links lead."""
        queue = "?var-queue={{ $labels.queue }}" if self.about == "queue" else ""
        return {
            "summary": self.summary,
            "description": self.description,
            "runbook_url": f"{site.runbooks_url}/{self.page}#{self.name.lower()}",
            "dashboard_url": f"{site.grafana_url}/d/{self.dashboard}{queue}",
        }

    def rule(self, site: Site) -> dict[str, Any]:
        """The rule as Prometheus reads it."""
        held = {"for": self.hold} if self.hold else {}
        return {
            "alert": self.name,
            "expr": self.expr,
            **held,
            "labels": {"severity": self.severity, **self.labels},
            "annotations": self.annotations(site),
        }
