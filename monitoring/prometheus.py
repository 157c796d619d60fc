"""deploy/prometheus/prometheus.yml: what Prometheus scrapes, which rules it runs, whom it tells."""

from __future__ import annotations

from monitoring.limits import INTERVAL
from monitoring.site import Addresses, Site

#: How long a scrape may take. It must be less than the interval.
_TIMEOUT = "10s"

#: What runs in the networks of deploy/compose.yaml: the names of its services, and the file that its secret becomes.
COMPOSE = Addresses(
    ops_api="ops-api:8080",
    redis_exporter="redis-exporter:9121",
    prometheus="127.0.0.1:9090",
    alertmanager="alertmanager:9093",
    credentials_file="/run/secrets/scrape_token",
)

_TEXT = """\
# Written by `callboard generate`: change monitoring/prometheus.py.

global:
  scrape_interval: {interval}
  scrape_timeout: {timeout}
  evaluation_interval: {interval}

rule_files:
  - rules/*.yml

alerting:
  alertmanagers:
    - static_configs:
        - targets: ["{alertmanager}"]

scrape_configs:
  # The state of the queues, read from Redis at each scrape. Replicas agree: rules take the maximum over them.
  - job_name: callboard-exporter
    static_configs:
      - targets: ["{ops_api}"]{authorization}

  # What each worker process did. The ops API tells where they are, from what they themselves write to Redis.
  - job_name: callboard-workers
    # `worker` comes with the target. Where a process serves the state of the queues too (CALLBOARD_EXPORTER=worker),
    # what it says of other workers keeps their names.
    honor_labels: true
    http_sd_configs:
      - url: http://{ops_api}/sd/workers
        refresh_interval: {interval}{sd_authorization}

  - job_name: redis
    static_configs:
      - targets: ["{redis_exporter}"]

  - job_name: prometheus
    static_configs:
      - targets: ["{prometheus}"]

  - job_name: alertmanager
    static_configs:
      - targets: ["{alertmanager}"]
"""

_AUTHORIZATION = """
{indent}authorization:
{indent}  credentials_file: {file}"""


def configuration(site: Site) -> str:
    """deploy/prometheus/prometheus.yml, for everything on one host."""
    return _made(site, site.addresses)


def compose_configuration(site: Site) -> str:
    """deploy/prometheus/prometheus.compose.yml: the same in the network of deploy/compose.yaml."""
    return _made(site, COMPOSE)


def _made(site: Site, where: Addresses) -> str:
    return _TEXT.format(
        interval=site.span(INTERVAL),
        timeout=site.span(_TIMEOUT),
        ops_api=where.ops_api,
        redis_exporter=where.redis_exporter,
        prometheus=where.prometheus,
        alertmanager=where.alertmanager,
        authorization=_authorization(where, 4),
        sd_authorization=_authorization(where, 8),
    )


def _authorization(where: Addresses, indent: int) -> str:
    return _AUTHORIZATION.format(indent=" " * indent, file=where.credentials_file) if where.credentials_file else ""
