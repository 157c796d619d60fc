"""All alerts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monitoring.alerts import monitoring, queues, redis, schedules, slo, workers
from monitoring.alerts.model import Alert, Page
from monitoring.site import Site

#: Page -> what makes its alerts.
PAGES: Mapping[Page, Callable[[Site], list[Alert]]] = {
    "queues": queues.alerts,
    "slo": slo.alerts,
    "workers": workers.alerts,
    "schedules": schedules.alerts,
    "redis": redis.alerts,
    "monitoring": monitoring.alerts,
}


def alerts(site: Site) -> list[Alert]:
    """Every alert, in the order of the pages."""
    return [alert for page in PAGES.values() for alert in page(site)]
