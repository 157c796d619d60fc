"""Datadog's OpenMetrics check asks for every metric there is, and for none that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from middleware.metrics.exported import FAMILIES as EXPORTED
from middleware.metrics.families import FAMILIES as COUNTED
from tests.support.process import ROOT

INSTANCES: list[dict[str, Any]] = yaml.safe_load(
    (ROOT / "deploy/datadog/openmetrics.d/conf.yaml").read_text(encoding="utf-8")
)["instances"]

#: Port -> whose metrics are there.
AT = {8080: EXPORTED, 9180: COUNTED}


def names(families: Sequence[Any]) -> list[str]:
    """What the check calls metrics: counters without `_total`. Info metrics say nothing that Datadog can draw."""
    return [each.name for each in families if each.kind != "info"]


def test_every_source_has_an_instance() -> None:
    assert [each["openmetrics_endpoint"] for each in INSTANCES] == [f"http://127.0.0.1:{port}/metrics" for port in AT]


@pytest.mark.parametrize(("instance", "families"), list(zip(INSTANCES, AT.values(), strict=True)), ids=map(str, AT))
def test_the_metrics_of_the_source_are_asked_for_and_no_other(
    instance: dict[str, Any], families: Sequence[Any]
) -> None:
    assert (instance["namespace"], instance["raw_metric_prefix"]) == ("callboard", "callboard_")
    assert [f"callboard_{each}" for each in instance["metrics"]] == names(families)
