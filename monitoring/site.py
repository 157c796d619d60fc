"""What differs between places that watch the same system: where links lead, and how fast time runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from callboard.catalogue import Catalogue, default_queues

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+)(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where Prometheus and Alertmanager reach the other parts (``host:port``), and what they show there.

    ``credentials_file``: holds the bearer token that Prometheus shows to the ops API; None: the ops API asks for none.
    """

    ops_api: str = "127.0.0.1:8080"
    redis_exporter: str = "127.0.0.1:9121"
    prometheus: str = "127.0.0.1:9090"
    alertmanager: str = "127.0.0.1:9093"
    credentials_file: str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    """A place that watches Callboard.

    ``time_scale``: all durations (how long an expression must hold, ranges of rates, how often rules run and alerts are
    repeated) are multiplied by it; below 1 alerts come sooner, for tests of the whole. Thresholds stay as they are.
    The URLs, where people's browsers reach it, are without a slash at the end. ``addresses``: where machines do.
    """

    catalogue: Catalogue = field(default_factory=lambda: Catalogue(default_queues()))
    time_scale: float = 1.0
    grafana_url: str = "http://127.0.0.1:3000"
    runbooks_url: str = "http://127.0.0.1:8080/runbooks"
    addresses: Addresses = Addresses()

    def span(self, duration: str) -> str:
        """A Prometheus duration (``5m``, ``1h``), scaled.

        Raises: ValueError for what is none of one unit.
        """
        found = _DURATION.fullmatch(duration)
        if found is None:
            raise ValueError(f"{duration!r} is no duration of one unit")
        if self.time_scale == 1:
            return duration
        ms = max(1, round(int(found[1]) * _UNITS_MS[found[2]] * self.time_scale))
        return f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"
