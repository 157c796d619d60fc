"""docs/reference/metrics.md names every metric there is, with its type and labels, and none that is not there."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from callboard.catalogue import Catalogue, default_queues
from middleware.metrics import queues
from middleware.metrics.exported import FAMILIES as EXPORTED
from middleware.metrics.families import FAMILIES as COUNTED
from middleware.metrics.queues import PARTS
from monitoring import recording
from monitoring.site import Site
from tests.support.docs import dead_links, sections, text_of

PAGE = "docs/reference/metrics.md"
SECTIONS = dict(sections(text_of(PAGE), 2))

_ROW = re.compile(r"^\| `([^`]+)` \| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


class Row(NamedTuple):
    """What a row of the page says of a metric."""

    kind: str
    labels: tuple[str, ...]


def documented(section: str) -> dict[str, Row]:
    rows = _ROW.findall(SECTIONS[section])
    found = {name: Row(kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, *_ in rows}
    assert len(found) == len(rows), "a metric has two rows"
    return found


def test_the_exporters_metrics_are_documented_as_they_are() -> None:
    assert documented("Exporter") == {each.exposed: Row(each.kind, each.labels) for each in EXPORTED}


def test_the_workers_metrics_are_documented_as_they_are() -> None:
    expected = {each.exposed: Row(each.kind, each.labels) for each in COUNTED}
    assert expected.pop("callboard_build_info") == documented("Exporter")["callboard_build_info"]
    assert documented("Workers") == expected


def test_recorded_series_are_documented_with_their_labels() -> None:
    rows = dict(re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", SECTIONS["Recorded"], re.MULTILINE))
    rules = [rule.record for group in recording.groups(Site()) for rule in group.rules]
    labels = {"queue": "`queue`", "queue_state": "`queue`, `state`", "queue_slo": "`queue`, `slo`"}
    assert rows == {rule: labels[rule.partition(":")[0]] for rule in rules}


@pytest.mark.parametrize("name", [*documented("Exporter"), *documented("Workers")])
def test_units_are_those_of_the_names(name: str) -> None:
    unit = next(unit for found, _, _, unit, _ in _ROW.findall(text_of(PAGE)) if found == name)
    base = name.removesuffix("_total")
    if base.endswith("_timestamp_seconds"):
        assert unit == "seconds since 1970"
    elif base.endswith(("_seconds", "_bytes")):
        assert unit == base.rpartition("_")[2]
    else:
        assert unit not in ("seconds", "bytes", "")


def test_the_collectors_are_named() -> None:
    said = SECTIONS["Exporter"].partition("`collector` one of")[2].partition(";")[0]
    assert re.findall(r"`(\w+)`", said) == list(PARTS)


def test_every_label_is_explained_or_has_its_values_named() -> None:
    labels = {label for each in (*EXPORTED, *COUNTED) for label in each.labels}
    explained = set(re.findall(r"^\| `(\w+)` \|", SECTIONS["Labels"], re.MULTILINE))
    named = {"state", "collector", "component", "slo", "version", "policy", "reason"}
    assert labels == explained | named


def test_the_number_of_series_is_the_one_that_the_code_states() -> None:
    said = SECTIONS["How many series"]
    exporter = re.search(r"each exporter \| ([^|]+) \|", said)
    assert exporter is not None
    assert exporter[1] in " ".join((queues.__doc__ or "").split())

    # Of a worker process: a histogram's edges and three more for each set of its labels.
    per = {"Q": 0, "A": 0, "V": 0, "": 1}  # the 1: callboard_build_info
    for each in COUNTED:
        if each.name in ("callboard_build", "callboard_attempt_failures"):
            continue
        of = {("queue", "actor"): "A", ("verb",): "V", (): ""}.get(each.labels, "Q")
        values = {"slo": 2, "reason": 3}.get(each.labels[-1] if each.labels else "", 1)
        edges = len(each.edges(Catalogue(default_queues()))) + 3 if each.edges else 1
        per[of] += edges * values
    assert f"| {per['Q']} Q + {per['A']} A + {per['V']} V + E + {per['']}, and" in said


def test_links_lead_somewhere() -> None:
    assert list(dead_links(PAGE)) == []
