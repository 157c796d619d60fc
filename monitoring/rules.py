"""deploy/prometheus/rules/*.yml: the rules as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitoring import recording
from monitoring.alerts.listed import PAGES
from monitoring.alerts.model import Page
from monitoring.limits import INTERVAL
from monitoring.site import Site
from monitoring.yaml import dump

#: The first line of a generated file.
HEADER = "# Written by `callboard generate`: change {source}.\n\n"


def recording_file(site: Site) -> str:
    """The recording rules."""
    groups = [
        {
            "name": group.name,
            "interval": group.interval,
            "rules": [{"record": rule.record, "expr": rule.expr} for rule in group.rules],
        }
        for group in recording.groups(site)
    ]
    return HEADER.format(source="monitoring/recording.py") + dump({"groups": groups})


def alerts_file(page: Page) -> Callable[[Site], str]:
    """What makes the file of the alerts of ``page``."""

    def made(site: Site) -> str:
        group: dict[str, Any] = {
            "name": f"callboard-{page}",
            "interval": site.span(INTERVAL),
            "rules": [alert.rule(site) for alert in PAGES[page](site)],
        }
        return HEADER.format(source=f"monitoring/alerts/{page}.py") + dump({"groups": [group]})

    return made


#: Path from the root of the source tree -> what makes it.
RULES: dict[str, Callable[[Site], str]] = {
    "deploy/prometheus/rules/recording.yml": recording_file,
    **{f"deploy/prometheus/rules/{page}.yml": alerts_file(page) for page in PAGES},
}
