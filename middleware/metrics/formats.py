"""In which form metrics are written out."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.registry import Collector


def format_for(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """What writes a registry out, and the content type of that, as a client's ``Accept`` asks: OpenMetrics, or
    Prometheus' text, which is also for those whose header says nothing that can be read."""
    try:
        return choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        return generate_latest, CONTENT_TYPE_PLAIN_0_0_4
