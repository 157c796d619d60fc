"""``GET /metrics``: the state of the queues for Prometheus, read from Redis at each request."""

from __future__ import annotations

import gzip

from flask import Blueprint, Response, request

from middleware.metrics.formats import format_for
from ops_api.access import check_token
from ops_api.services import services
from ops_api.settings import PREFIX

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """OpenMetrics or Prometheus' text, as ``Accept`` asks; compressed when ``Accept-Encoding`` allows it.

    200 also when Redis is away: ``callboard_exporter_collect_success`` says so.
    """
    check_token(services().scraping, setting=f"{PREFIX}SCRAPE_TOKEN", loopback_always=True)
    encode, content_type = format_for(request.headers.get("Accept", ""))
    response = Response(encode(services().registry), content_type=content_type)
    if request.accept_encodings.quality("gzip") > 0:
        response.set_data(gzip.compress(response.get_data(), compresslevel=6))
        response.headers["Content-Encoding"] = "gzip"
    response.vary.update(["Accept", "Accept-Encoding"])
    return response
