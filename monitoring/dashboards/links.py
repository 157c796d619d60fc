"""Ways from one board to the others, and to the runbooks. They keep the time range and what was chosen."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard

from monitoring.dashboards.model import Board
from monitoring.site import Site

#: Every board has it, and the list of boards is made of those that have it.
TAG = "callboard"

#: What a link inside a panel carries on.
_KEPT = "${__url_time_range}&var-datasource=${datasource}"


def to_board(uid: str, *carried: str, **chosen: str) -> str:
    """A link from a panel to the board ``uid``.

    ``carried``: names of variables whose values go along. ``chosen``: values, ``${__data.fields.…}`` for a cell's.
    """
    along = "".join(f"&${{{name}:queryparam}}" for name in carried)
    return f"/d/{uid}?{_KEPT}{along}" + "".join(f"&var-{name}={value}" for name, value in chosen.items())


def links(board: Board, site: Site) -> list[dashboard.DashboardLink]:
    """The links at the top of ``board``: all boards, and the runbooks' page that goes with this one."""
    return [
        dashboard.DashboardLink(
            title="Callboard", type_val=dashboard.DashboardLinkType.DASHBOARDS, tags=[TAG], icon="external link",
            tooltip="The other dashboards, with the same time range and choice", include_vars=True, keep_time=True,
        ),
        dashboard.DashboardLink(
            title="Runbook", type_val=dashboard.DashboardLinkType.LINK, url=f"{site.runbooks_url}/{board.runbook}",
            icon="doc", tooltip="What each alert means and what to do", target_blank=True,
        ),
    ]  # fmt: skip
