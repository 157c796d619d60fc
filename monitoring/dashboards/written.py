"""The files of the dashboards: path from the root of the source tree -> what makes it."""

from __future__ import annotations

from collections.abc import Callable

from monitoring.dashboards.boards import boards
from monitoring.dashboards.page import page
from monitoring.dashboards.provisioning import dashboards, datasources
from monitoring.dashboards.render import render
from monitoring.site import Site


def _json(uid: str) -> Callable[[Site], str]:
    return lambda site: next(render(board, site) for board in boards(site) if board.uid == uid)


FILES: dict[str, Callable[[Site], str]] = {
    **{f"deploy/grafana/dashboards/{board.uid}.json": _json(board.uid) for board in boards(Site())},
    "deploy/grafana/provisioning/dashboards/callboard.yml": dashboards,
    "deploy/grafana/provisioning/datasources/callboard.yml": datasources,
    "docs/dashboards.md": page,
}
