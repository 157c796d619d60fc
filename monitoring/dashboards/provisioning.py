"""What a Grafana is started with, so that it shows the boards without a click.

Grafana puts environment variables into these files, and knows no default for them: whoever starts it sets all three.
"""

from __future__ import annotations

from monitoring.dashboards.templating import PROVISIONED_NAME, PROVISIONED_UID
from monitoring.limits import INTERVAL
from monitoring.site import Site

_DATASOURCES = """\
# Written by `callboard generate`: change monitoring/dashboards/provisioning.py.
# PROMETHEUS_URL (http://127.0.0.1:9090, for example) and ALERTMANAGER_URL (http://127.0.0.1:9093) are set by whoever
# starts Grafana.

apiVersion: 1

datasources:
  - name: {name}
    uid: {uid}
    type: prometheus
    access: proxy
    url: ${{PROMETHEUS_URL}}
    isDefault: true
    editable: false
    jsonData:
      httpMethod: POST
      prometheusType: Prometheus
      # How often Prometheus scrapes: no rate is asked of less than four scrapes.
      timeInterval: {interval}

  - name: Alertmanager
    uid: alertmanager
    type: alertmanager
    access: proxy
    url: ${{ALERTMANAGER_URL}}
    editable: false
    jsonData:
      implementation: prometheus
      handleGrafanaManagedAlerts: false
"""

_DASHBOARDS = """\
# Written by `callboard generate`: change monitoring/dashboards/provisioning.py.
# DASHBOARDS_PATH is the folder of the JSON files as Grafana sees it, set by whoever starts Grafana.

apiVersion: 1

providers:
  - name: callboard
    folder: Callboard
    folderUid: callboard
    type: file
    disableDeletion: true
    allowUiUpdates: false
    updateIntervalSeconds: 30
    options:
      path: ${DASHBOARDS_PATH}
"""


def datasources(site: Site) -> str:
    """deploy/grafana/provisioning/datasources/callboard.yml."""
    return _DATASOURCES.format(name=PROVISIONED_NAME, uid=PROVISIONED_UID, interval=site.span(INTERVAL))


def dashboards(_: Site) -> str:
    """deploy/grafana/provisioning/dashboards/callboard.yml."""
    return _DASHBOARDS
