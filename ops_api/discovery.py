"""``GET /sd/workers``: where Prometheus finds the metrics of the worker processes (its ``http_sd_configs``).

Processes say in their heartbeat where they serve their metrics. Each is a target with the label ``worker``, as the
exporter's metrics have it, so that both meet on it. Labels that begin with ``__meta_`` are for relabelling and go after
it.
https://prometheus.io/docs/prometheus/latest/http_sd/
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify

from callboard.naming import NamedWorker, named_workers
from callboard.verbs import fleet
from ops_api.access import check_token
from ops_api.services import services
from ops_api.settings import PREFIX

blueprint = Blueprint("discovery", __name__)


@blueprint.get("/sd/workers")
def workers() -> Response:
    """One target group a worker process that serves metrics.

    A process that ended without a word stays until it is forgotten (ten minutes), so that its ``up`` is seen to be 0,
    unless another has its place or its address by now. Redis away: 503, and Prometheus keeps the targets that it has.
    """
    check_token(services().scraping, setting=f"{PREFIX}SCRAPE_TOKEN", loopback_always=True)
    now_ms, found = fleet.workers_seen(services().look(fleet.workers_call()))
    named = named_workers(found, now_ms, services().settings.beat_ms)
    taken = {each.record.metrics_address for each in named if each.alive}
    shown = [each for each in named if each.alive or each.record.metrics_address not in taken]
    return jsonify([_group(each) for each in shown if each.record.metrics_address])


def _group(worker: NamedWorker) -> dict[str, Any]:
    record = worker.record
    return {
        "targets": [record.metrics_address],
        "labels": {
            "worker": worker.name,
            "__meta_callboard_host": record.host,
            "__meta_callboard_slot": str(record.slot),
            "__meta_callboard_worker_id": record.id,
            # With a comma at both ends, so that one expression finds a queue wherever it stands.
            "__meta_callboard_queues": f",{','.join(record.queues)},",
            "__meta_callboard_version": record.version,
        },
    }
