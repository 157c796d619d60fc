"""From a board to the JSON that Grafana loads."""

from __future__ import annotations

import json
from typing import Any

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard

from monitoring.dashboards.annotations import annotation_list
from monitoring.dashboards.layout import WIDTH, placed
from monitoring.dashboards.links import TAG, links
from monitoring.dashboards.model import Board, Row
from monitoring.dashboards.panels import panel_model
from monitoring.dashboards.templating import variables
from monitoring.site import Site

#: How often an open board asks anew.
REFRESH = "30s"


def render(board: Board, site: Site) -> str:
    """The JSON of ``board``: sorted and indented, so that two versions of it can be compared."""
    return json.dumps(model(board, site), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def model(board: Board, site: Site) -> dict[str, Any]:
    """The JSON of ``board`` as plain dicts and lists."""
    made = dashboard.Dashboard(
        uid=board.uid, title=board.title, description=board.purpose, tags=[TAG], timezone="browser", editable=False,
        graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR, refresh=REFRESH,
        time=dashboard.DashboardDashboardTime(from_val=board.since, to="now"), version=1,
        templating=dashboard.DashboardDashboardTemplating(list_val=variables(board.variables)),
        links=links(board, site), panels=_panels(board),
    )  # fmt: skip
    plain: dict[str, Any] = json.loads(json.dumps(made, cls=JSONEncoder))
    plain["annotations"] = {"list": annotation_list(board)}
    return plain


def _panels(board: Board) -> list[dashboard.Panel | dashboard.RowPanel]:
    models: list[dashboard.Panel | dashboard.RowPanel] = []
    for number, (item, x, y) in enumerate(placed(board), start=1):
        if isinstance(item, Row):
            place = dashboard.GridPos(h=1, w=WIDTH, x=x, y=y)
            models.append(dashboard.RowPanel(title=item.title, id_val=number, grid_pos=place, panels=[]))
        else:
            models.append(panel_model(item, number, x, y))
    return models
