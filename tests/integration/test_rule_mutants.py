"""The tests of the rules notice when a rule is wrong: every rule is changed, one thing at a time, and some test fails.

Changed are comparisons, numbers, durations, ranges, matchers, aggregations, their labels, functions, joins, severities.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from callboard.catalogue import Catalogue, QueueSpec, Thresholds, default_queues
from monitoring.alerts.queues import five
from monitoring.files import FILES
from monitoring.site import Site
from tests.support.tried_rules import surviving_alerts, surviving_recordings

PROMETHEUS = Path(__file__).parents[2] / "deploy" / "prometheus"
PAGES = ("queues", "slo", "workers", "schedules", "redis", "monitoring")

#: Changes that make no difference, and why.
EQUIVALENT = {
    "RedisDown 0: max -> sum": "flags of 0 and 1 add up to 0 only when all are 0",
    "CollectFailing 0: max -> sum": "flags of 0 and 1 add up to 0 only when all are 0",
    "CollectFailing 1: max -> sum": "flags of 0 and 1 add up to 0 only when all are 0",
    "RedisExporterAbsent 1: max -> sum": "flags of 0 and 1 add up to 0 only when all are 0",
    "RedisMemoryHigh 0: 0 -> 1": "no server has a maxmemory of one byte",
}


def _read(kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROMETHEUS / kind / f"{name}.yml").read_text())
    return found


def _rules(name: str) -> list[dict[str, Any]]:
    return [rule for group in _read("rules", name)["groups"] for rule in group["rules"]]


#: Tried each day: the platform's five. The others together take minutes.
FIVE = ("FailedJobsHigh", "WaitingJobsHigh", "DelayedJobsHigh", "ActiveJobsHigh", "QueuePaused")
ALERTS = [
    pytest.param(page, name, id=name, marks=() if name in FIVE else pytest.mark.long)
    for page in PAGES
    for name in dict.fromkeys(rule["alert"] for rule in _rules(page))
]
RECORDS = [rule["record"] for rule in _rules("recording")]


@pytest.mark.parametrize(("page", "name"), ALERTS)
def test_a_wrong_alert_is_noticed(page: str, name: str, tmp_path: Path) -> None:
    rules, tests = [rule for rule in _rules(page) if rule["alert"] == name], _read("tests", page)
    _judge(surviving_alerts(tmp_path, name, rules, tests["tests"], tests["evaluation_interval"]), name)


@pytest.mark.long
@pytest.mark.parametrize("record", RECORDS)
def test_a_wrong_recording_is_noticed(record: str, tmp_path: Path) -> None:
    averaged = record.startswith("queue_slo:callboard_slo_errors:") and not record.endswith("rate5m")
    tests = _read("tests", "windows" if averaged else "recording")
    _judge(surviving_recordings(tmp_path, record, _rules("recording"), tests["tests"], tests["evaluation_interval"]),
           record)  # fmt: skip


@pytest.mark.long
def test_a_wrong_matcher_of_queues_is_noticed(tmp_path: Path) -> None:
    """Queues with other thresholds have rules of their own, which the files as they are written do not have."""
    site = Site(catalogue=Catalogue(default_queues() | {"b": QueueSpec(name="b", thresholds=Thresholds(failed=5))}))
    rules = [alert.rule(site) for alert in five(site) if alert.name == "FailedJobsHigh"]
    assert len(rules) == 2
    tests = yaml.safe_load(FILES["deploy/prometheus/tests/queues.yml"](site))
    assert surviving_alerts(tmp_path, "FailedJobsHigh", rules, tests["tests"], tests["evaluation_interval"]) == set()


@pytest.mark.parametrize(
    ("kinds", "survives"), [(("firing",), "for: 45s"), (("firing", "boundary"), "> -> >="), (("boundary",), "> -> <")]
)
def test_without_some_cases_something_is_not_noticed(kinds: tuple[str, ...], survives: str, tmp_path: Path) -> None:
    rules = [rule for rule in _rules("queues") if rule["alert"] == "QueuePaused"]
    kept = [test for test in _read("tests", "queues")["tests"] if any(f", {kind}: " in test["name"] for kind in kinds)]
    assert f"QueuePaused 0: {survives}" in surviving_alerts(tmp_path, "QueuePaused", rules, kept, "15s")


def _judge(survived: set[str], of: str) -> None:
    known = {what for what in EQUIVALENT if what.startswith((f"{of} ", f"{of}:"))}
    assert survived - known == set(), "nobody notices these changes: add a case to monitoring/rule_tests"
    assert known - survived == set(), "these changes are noticed after all: take them off the list"
