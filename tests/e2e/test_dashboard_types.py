"""The dashboards are what Grafana takes them for: tsc checks them against the types that Grafana is built with."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.support.node import run_node
from tests.support.process import ROOT

_FOLDER = ROOT / "tests" / "e2e" / "grafana"
_DASHBOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))


def verdict(dashboards: Sequence[Path]) -> dict[str, list[str]]:
    """What the compiler says of each of ``dashboards``, by its name."""
    said: dict[str, list[str]] = json.loads(
        run_node(_FOLDER / "check.mjs", str(_FOLDER / "types.ts"), *map(str, dashboards))
    )
    return said


def test_every_dashboard_is_a_dashboard_by_grafanas_own_types() -> None:
    assert len(_DASHBOARDS) == 8
    assert verdict(_DASHBOARDS) == {path.stem: [] for path in _DASHBOARDS}


def _time_series(board: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(panel for panel in board["panels"] if panel["type"] == "timeseries")
    return found


def _wrong_color_mode(board: dict[str, Any]) -> None:
    _time_series(board)["fieldConfig"]["defaults"]["color"]["mode"] = "palette"


def _option_that_the_kind_does_not_have(board: dict[str, Any]) -> None:
    _time_series(board)["options"]["graphMode"] = "area"


def _width_as_text(board: dict[str, Any]) -> None:
    _time_series(board)["gridPos"]["w"] = "12"


def _query_without_expression(board: dict[str, Any]) -> None:
    del _time_series(board)["targets"][0]["expr"]


def _unknown_line_style(board: dict[str, Any]) -> None:
    _time_series(board)["fieldConfig"]["defaults"]["custom"]["drawStyle"] = "curve"


def _unknown_variable_type(board: dict[str, Any]) -> None:
    board["templating"]["list"][0]["type"] = "data source"


def _annotation_without_step(board: dict[str, Any]) -> None:
    del board["annotations"]["list"][0]["step"]


_FAULTS: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (_wrong_color_mode, "palette"),
    (_option_that_the_kind_does_not_have, "graphMode"),
    (_width_as_text, "'string' is not assignable to type 'number'"),
    (_query_without_expression, "expr"),
    (_unknown_line_style, "curve"),
    (_unknown_variable_type, "data source"),
    (_annotation_without_step, "step"),
]


def test_each_wrong_type_is_told(tmp_path: Path) -> None:
    for spoil, _ in _FAULTS:
        board = json.loads(_DASHBOARDS[0].read_text(encoding="utf-8"))
        spoil(board)
        (tmp_path / f"{spoil.__name__}.json").write_text(json.dumps(board), encoding="utf-8")
    said = verdict(sorted(tmp_path.iterdir()))
    for spoil, told in _FAULTS:
        assert any(told in text for text in said.pop(spoil.__name__)), spoil.__name__
    assert said == {}
