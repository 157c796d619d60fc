"""What holds for every panel of every dashboard, in the JSON that Grafana loads."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.models import units

from callboard.catalogue import Catalogue, QueueSpec, Thresholds
from monitoring.alerts.listed import alerts
from monitoring.dashboards import thresholds
from monitoring.dashboards.boards import boards
from monitoring.dashboards.layout import WIDTH, placed
from monitoring.dashboards.model import Board, Panel, Row
from monitoring.dashboards.page import page
from monitoring.dashboards.provisioning import dashboards, datasources
from monitoring.dashboards.render import model, render
from monitoring.dashboards.written import FILES
from monitoring.site import Site

SITE = Site()
BOARDS = {board.uid: board for board in boards(SITE)}
MODELS: dict[str, dict[str, Any]] = {uid: model(board, SITE) for uid, board in BOARDS.items()}
UNITS = {unit for name, unit in vars(units).items() if isinstance(unit, str) and not name.startswith("_")}
ASKED = {"type": "prometheus", "uid": "${datasource}"}


def _panels(uid: str) -> list[dict[str, Any]]:
    """The panels of a board, in Grafana's JSON."""
    return [panel for panel in MODELS[uid]["panels"] if panel["type"] != "row"]


def test_the_eight_boards_are_there_under_the_uids_that_alerts_and_links_use() -> None:
    assert list(BOARDS) == [
        f"callboard-{name}"
        for name in ("fleet", "queue", "actor", "workers", "schedules", "slo", "redis", "alerting")
    ]  # fmt: skip
    assert {alert.dashboard for alert in alerts(SITE)} <= set(BOARDS)


@pytest.mark.parametrize("uid", BOARDS)
def test_a_panel_says_why_in_which_unit_and_what_it_means_when_it_is_empty(uid: str) -> None:
    for panel in _panels(uid):
        why, defaults = panel["description"], panel["fieldConfig"]["defaults"]
        assert re.fullmatch(r"[A-Z0-9`].{18,}\.", why), (
            f"{panel['title']}: say in sentences why one looks at it: {why!r}"
        )
        assert "  " not in why, panel["title"]
        assert defaults["noValue"], f"{panel['title']}: say what it means when there is nothing to show"
        overrides = itertools.chain(*(override["properties"] for override in panel["fieldConfig"]["overrides"]))
        for unit in (defaults["unit"], *(each["value"] for each in overrides if each["id"] == "unit")):
            assert unit in UNITS or unit.startswith("suffix:"), f"{panel['title']}: {unit}"


@pytest.mark.parametrize("uid", BOARDS)
def test_a_panel_asks_the_chosen_data_source(uid: str) -> None:
    for panel in _panels(uid):
        assert panel["targets"], f"{panel['title']}: a panel without a query"
        assert panel["datasource"] == ASKED, panel["title"]
        assert [target["datasource"] for target in panel["targets"]] == [ASKED] * len(panel["targets"]), panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs), panel["title"]


@pytest.mark.parametrize("uid", BOARDS)
def test_what_is_shown_as_one_value_is_asked_for_now_alone_and_a_series_over_time(uid: str) -> None:
    formats = {"table": "table", "heatmap": "heatmap"}
    for panel in _panels(uid):
        now, form = panel["type"] in {"stat", "table", "bargauge"}, formats.get(panel["type"], "time_series")
        for target in panel["targets"]:
            assert (target["instant"], target["range"], target["format"]) == (now, not now, form), panel["title"]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_row_and_panel_has_a_number_and_a_title_of_its_own(uid: str) -> None:
    rows = [panel for panel in MODELS[uid]["panels"] if panel["type"] == "row"]
    for values in (
        [panel["id"] for panel in MODELS[uid]["panels"]],
        [panel["title"] for panel in _panels(uid)],
        [row["title"] for row in rows],
    ):
        assert len(set(values)) == len(values), f"twice: {sorted({v for v in values if values.count(v) > 1})}"


@pytest.mark.parametrize("uid", BOARDS)
def test_no_panel_lies_upon_another_or_beyond_the_edge(uid: str) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in MODELS[uid]["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= WIDTH
        for cell in itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])):
            assert cell not in taken, f"{panel['title']} lies upon {taken[cell]}"
            taken[cell] = panel["title"]


@pytest.mark.parametrize("uid", BOARDS)
def test_every_line_of_panels_is_full_and_level(uid: str) -> None:
    lines: dict[int, list[dict[str, int]]] = {}
    for panel in MODELS[uid]["panels"]:
        lines.setdefault(panel["gridPos"]["y"], []).append(panel["gridPos"])
    for line in lines.values():
        assert sum(at["w"] for at in line) == WIDTH, f"a gap in the line at {line[0]['y']}"
        assert len({at["h"] for at in line}) == 1, f"an uneven line at {line[0]['y']}"


def test_a_panel_that_is_wider_than_the_grid_is_refused() -> None:
    wide = Panel("wide", "why", "s", width=WIDTH + 1)
    with pytest.raises(ValueError, match="'wide' is 25 wide, the grid 24"):
        list(placed(Board("uid", "title", "purpose", (Row("", (wide,)),), "queues")))


def _urls(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from (value for key, value in part.items() if key == "url")
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from _urls(each)


@pytest.mark.parametrize("uid", BOARDS)
def test_every_link_leads_to_a_board_that_is_there_and_carries_time_and_choice(uid: str) -> None:
    inside = [url for url in _urls(MODELS[uid]["panels"]) if url]
    for url in inside:
        target = re.fullmatch(r"/d/([\w-]+)\?(.+)", url)
        assert target, url
        assert target[1] in BOARDS, url
        assert target[2].startswith("${__url_time_range}&var-datasource=${datasource}"), url
        known = {variable["name"] for variable in MODELS[target[1]]["templating"]["list"]}
        assert set(re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", target[2])) <= {
            pair for name in known for pair in ((name, ""), ("", name))
        }, url
    across, runbook = MODELS[uid]["links"]
    assert (across["type"], across["tags"], across["includeVars"], across["keepTime"]) == (
        "dashboards", ["callboard"], True, True,
    )  # fmt: skip
    assert "callboard" in MODELS[uid]["tags"]
    page_name = runbook["url"].removeprefix(f"{SITE.runbooks_url}/")
    assert page_name in {alert.page for alert in alerts(SITE)}


@pytest.mark.parametrize("uid", BOARDS)
def test_pauses_deploys_and_worker_starts_are_marked(uid: str) -> None:
    marks = MODELS[uid]["annotations"]["list"]
    assert [mark["name"] for mark in marks] == ["Pauses", "Deploys", "Worker starts"]
    for mark in marks:
        assert mark["datasource"] == ASKED
        assert mark["target"]["expr"] == mark["expr"]


@pytest.mark.parametrize("uid", BOARDS)
def test_a_board_is_asked_anew_and_looks_back_far_enough(uid: str) -> None:
    assert MODELS[uid]["refresh"] == "30s"
    assert MODELS[uid]["time"] == {"from": "now-3d" if uid == "callboard-slo" else "now-3h", "to": "now"}
    assert MODELS[uid]["schemaVersion"] >= 39


def test_counts_turn_when_the_alert_would_fire_and_not_before() -> None:
    specs = {"q": QueueSpec(name="q", thresholds=Thresholds(waiting=7))}
    steps = thresholds.count(Catalogue(specs), "waiting")
    assert [(step.value, step.color) for step in steps] == [(None, "green"), (8, "orange")]


def test_the_catalogues_numbers_reach_the_boards() -> None:
    specs = {
        "a": QueueSpec(name="a", thresholds=Thresholds(waiting=7)),
        "b": QueueSpec(name="b", thresholds=Thresholds(waiting=9), slo_wait=0.5),
    }
    site = Site(catalogue=Catalogue(specs))
    queue, fleet = (model(boards(site)[number], site) for number in (1, 0))
    lines = next(each for each in queue["panels"] if each["title"] == "Waiting jobs")
    assert [step["value"] for step in lines["fieldConfig"]["defaults"]["thresholds"]["steps"]] == [None, 7, 9]
    in_time = next(each for each in fleet["panels"] if each["title"] == "In time, 1 h")
    assert [step["value"] for step in in_time["fieldConfig"]["defaults"]["thresholds"]["steps"]] == [None, 0.5]
    assert queue["templating"]["list"][1]["current"]["value"] == ["a"]


def test_the_boards_stay_as_they_are_when_time_is_scaled() -> None:
    scaled = Site(time_scale=0.01)
    for name, make in FILES.items():
        assert "datasources" in name or make(scaled) == make(SITE), name


@pytest.mark.parametrize("uid", BOARDS)
def test_the_json_is_sorted_and_the_same_each_time(uid: str) -> None:
    text = render(BOARDS[uid], SITE)
    assert text == render(BOARDS[uid], SITE)
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def test_provisioning_names_the_data_source_that_the_boards_choose_first() -> None:
    prometheus, alertmanager = yaml.safe_load(datasources(SITE))["datasources"]
    assert (prometheus["type"], prometheus["url"]) == ("prometheus", "${PROMETHEUS_URL}")
    assert (alertmanager["type"], alertmanager["url"]) == ("alertmanager", "${ALERTMANAGER_URL}")
    for board in MODELS.values():
        first = board["templating"]["list"][0]
        assert (first["type"], first["current"]["value"]) == ("datasource", prometheus["uid"])
    (provider,) = yaml.safe_load(dashboards(SITE))["providers"]
    assert (provider["type"], provider["options"]["path"]) == ("file", "${DASHBOARDS_PATH}")


def test_the_page_has_a_row_a_panel_with_every_query_its_unit_and_why() -> None:
    text = page(SITE)
    for board in BOARDS.values():
        section = text.split(f"\n## {board.title}\n")[1].split("\n## ")[0]
        for panel in board.panels():
            (row,) = (line for line in section.splitlines() if line.startswith(f"| {panel.title} |"))
            assert panel.why in row
            for query in panel.asked():
                assert query.expr.replace("|", "\\|") in row
            assert len(re.split(r"(?<!\\)\|", row)) == 6, row


def test_the_page_explains_what_provisioning_asks_the_environment_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)\}", datasources(SITE) + dashboards(SITE)))
    assert asked == set(re.findall(r"^\| `(\w+)` \|", page(SITE), re.MULTILINE))
