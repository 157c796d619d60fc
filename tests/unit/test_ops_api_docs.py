"""docs/reference/ops-api.md names every route and every label of a target, and none that is not there."""

from __future__ import annotations

import re

from callboard.naming import NamedWorker
from callboard.settings import Settings
from callboard.verbs.fleet import WorkerRecord
from ops_api.app import create_app
from ops_api.discovery import _group
from ops_api.settings import OpsSettings
from tests.support.docs import dead_links, sections, text_of

PAGE = "docs/reference/ops-api.md"
SECTIONS = dict(sections(text_of(PAGE), 2))


def first_cells(section: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", SECTIONS[section], re.MULTILINE)


def test_every_route_is_documented_and_no_other() -> None:
    rules = create_app(Settings(), OpsSettings()).url_map.iter_rules()
    routes = {f"{method} {rule}" for rule in rules for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    assert set(first_cells("Routes")) == {re.sub(r"<\w+:", "<", route) for route in routes}


def test_every_label_of_a_target_is_documented_and_no_other() -> None:
    worker = NamedWorker("web-0", WorkerRecord("id", "web", 1, 0, ["q"], 8, 0, "1", 1, "127.0.0.1:9180"), True)
    assert first_cells("Targets") == list(_group(worker)["labels"])


def test_links_lead_somewhere() -> None:
    assert list(dead_links(PAGE)) == []
