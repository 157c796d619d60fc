"""Queries on histograms."""

from __future__ import annotations

from collections.abc import Sequence

from monitoring.dashboards.model import Query

#: The median, what one in twenty feels, what one in a hundred does.
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def quantiles(
    histogram: str, matcher: str, by: Sequence[str], names: Sequence[str] = tuple(QUANTILES)
) -> tuple[Query, ...]:
    """A line for each of ``names`` (``p50``, ``p95``, ``p99``) and each combination of the labels ``by``."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by)
    rates = f"sum by ({', '.join((*by, 'le'))}) (rate({histogram}_bucket{matcher}[$__rate_interval]))"
    return tuple(
        Query(f"histogram_quantile({QUANTILES[name]:g}, {rates})", f"{legend} {name}".strip()) for name in names
    )


def heat(histogram: str, matcher: str) -> Query:
    """How many observations fell into each bucket, for a heatmap."""
    return Query(f"sum by (le) (increase({histogram}_bucket{matcher}[$__rate_interval]))", "{{le}}")
