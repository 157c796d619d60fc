"""deploy/grafana/alerting/callboard.yml: the platform's five alerts as Grafana-managed rules, for those without
Prometheus' own alerting. Off by default twice over: no Grafana is given this folder unless somebody does so, and the
rules are paused. With both, everything would be told twice.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from monitoring.alerts.model import Alert
from monitoring.alerts.queues import five
from monitoring.dashboards.templating import PROVISIONED_UID
from monitoring.site import Site
from monitoring.yaml import dump

_HEADER = """\
# Written by `callboard generate`: change monitoring/grafana_alerts.py.
#
# The platform's five alerts as Grafana-managed rules, off by default: Prometheus evaluates the same rules. To use these
# instead, mount this folder as provisioning/alerting, set isPaused to false and leave queues.yml out of rule_files. The
# recording rules are still Prometheus'.

"""

#: How often Grafana evaluates: a multiple of ten seconds, so that this file knows no other speed.
_INTERVAL = "1m"


def provisioning(site: Site) -> str:
    """The file, as Grafana's provisioning reads it."""
    site = replace(site, time_scale=1.0)
    group = {
        "orgId": 1,
        "name": "callboard-queues",
        "folder": "Callboard",
        "interval": _INTERVAL,
        "rules": [_rule(alert, site) for alert in five(site)],
    }
    return _HEADER + dump({"apiVersion": 1, "groups": [group]})


def _rule(alert: Alert, site: Site) -> dict[str, Any]:
    # Prometheus' expression gives the series that are over the threshold, and its value is the count. Grafana fires for
    # each that is there: a count over a threshold is never 0, so "above 0" is all of them.
    texts = {name: _grafana(text) for name, text in alert.annotations(site).items()}
    return {
        "uid": f"callboard-{alert.name.lower()}{''.join(f'-{value}' for value in alert.labels.values())}",
        "title": " ".join([alert.name, *alert.labels.values()]),
        "condition": "B",
        "for": alert.hold,
        # The expression is empty while nothing is wrong.
        "noDataState": "OK",
        "execErrState": "Error",
        "isPaused": True,
        "labels": {"severity": alert.severity, **alert.labels},
        "annotations": texts,
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": {"from": 300, "to": 0},
                "datasourceUid": PROVISIONED_UID,
                "model": {"refId": "A", "expr": alert.expr, "instant": True, "range": False},
            },
            {
                "refId": "B",
                "datasourceUid": "__expr__",
                "model": {
                    "refId": "B",
                    "type": "threshold",
                    "expression": "A",
                    "conditions": [{"evaluator": {"type": "gt", "params": [0]}}],
                },
            },
        ],
    }


def _grafana(text: str) -> str:
    """A template of Prometheus as one of Grafana, whose ``$value`` is a text and whose numbers are in ``$values``."""
    return text.replace("$value ", "$values.A.Value ")
