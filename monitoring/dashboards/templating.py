"""Variables: which Prometheus is asked, and about which queues, actors or worker processes.

The names are the same on every board, so that a link carries what was chosen over.
"""

from __future__ import annotations

from collections.abc import Iterable

from grafana_foundation_sdk.models import dashboard

from monitoring.dashboards.model import Variable

#: What every panel, annotation and variable asks.
DATASOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")

#: The data source that provisioning makes.
PROVISIONED_UID, PROVISIONED_NAME = "prometheus", "Prometheus"

#: What "All" stands for in a matcher: every value that is there.
ALL = ".+"

#: What the SDK writes into every variable and only one that holds an interval may have.
_NO_INTERVAL: dict[str, None] = {"auto": None, "auto_min": None, "auto_count": None}

QUEUE = Variable("queue", "queue", "callboard_queue_paused", "Queue")
ACTOR = Variable("actor", "actor", 'callboard_attempts_total{queue=~"$queue"}', "Actor")
WORKER = Variable("worker", "worker", "callboard_worker_last_heartbeat_timestamp_seconds", "Worker")
ALERT = Variable("alertname", "alertname", "ALERTS", "Alert")


def variables(chosen: Iterable[Variable]) -> list[dashboard.VariableModel]:
    """The data source, then ``chosen``."""
    return [_datasource(), *(_query(variable) for variable in chosen)]


def _datasource() -> dashboard.VariableModel:
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.DATASOURCE, name="datasource", label="Data source", query="prometheus",
        description="The Prometheus that scrapes this deployment.",
        current=dashboard.VariableOption(selected=True, text=PROVISIONED_NAME, value=PROVISIONED_UID), **_NO_INTERVAL,
    )  # fmt: skip


def _query(variable: Variable) -> dashboard.VariableModel:
    text, value = (variable.first,) * 2 if variable.first else ("All", "$__all")
    return dashboard.VariableModel(
        type_val=dashboard.VariableType.QUERY, name=variable.name, label=variable.title, datasource=DATASOURCE,
        query=f"label_values({variable.series}, {variable.label})",
        multi=True, include_all=True, all_value=ALL,
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED, sort=dashboard.VariableSort.ALPHABETICAL_ASC,
        current=dashboard.VariableOption(selected=True, text=[text], value=[value]), **_NO_INTERVAL,
    )  # fmt: skip
