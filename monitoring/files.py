"""The files that follow from this package: path from the root of the source tree -> what makes it."""

from __future__ import annotations

from collections.abc import Callable

from monitoring import alert_messages, alertmanager, alerts_page, grafana_alerts, prometheus
from monitoring.dashboards.written import FILES as DASHBOARDS
from monitoring.rule_tests.files import TESTS
from monitoring.rules import RULES
from monitoring.site import Site

FILES: dict[str, Callable[[Site], str]] = {
    **RULES,
    **TESTS,
    "deploy/grafana/alerting/callboard.yml": grafana_alerts.provisioning,
    **DASHBOARDS,
    "docs/reference/alerts.md": alerts_page.page,
    "deploy/prometheus/prometheus.yml": prometheus.configuration,
    "deploy/prometheus/prometheus.compose.yml": prometheus.compose_configuration,
    "deploy/alertmanager/alertmanager.yml": alertmanager.configuration,
    "deploy/alertmanager/templates/common.tmpl": alert_messages.common,
    "deploy/alertmanager/templates/slack.tmpl": alert_messages.slack,
    "deploy/alertmanager/templates/pagerduty.tmpl": alert_messages.pagerduty,
    "deploy/alertmanager/templates/email.tmpl": alert_messages.email,
}
