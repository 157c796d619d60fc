"""docs/dashboards.md: every panel of every board, with its queries, its unit and why one looks at it."""

from __future__ import annotations

from monitoring.dashboards.boards import boards
from monitoring.dashboards.model import Board, Panel
from monitoring.site import Site

_HEAD = """\
# Dashboards

Grafana's eight dashboards: [1 Fleet](#callboard--1-fleet) tells whether anything is wrong and on which queue, and leads
to [2 Queue](#callboard--2-queue), where alerts lead as well. The JSON files are in `deploy/grafana/dashboards/`, for
Grafana 11.6. A Grafana started with `deploy/grafana/provisioning/` shows them without a click; it needs three
environment variables:

| variable | what |
|---|---|
| `PROMETHEUS_URL` | where Prometheus is, as Grafana sees it: `http://127.0.0.1:9090` |
| `ALERTMANAGER_URL` | where Alertmanager is: `http://127.0.0.1:9093` |
| `DASHBOARDS_PATH` | the folder `deploy/grafana/dashboards`, as Grafana sees it |

All boards look at the last three hours (6 SLO: three days) and are asked anew every 30 s. Links between them keep the
time range and what was chosen. The queue board begins with one queue; it takes several, to compare them. Counts turn
orange at the thresholds of the [queue catalogue](reference/settings.md), ages red at the limits of the alerts; a dashed
red line is a limit that differs from queue to queue. Three marks are in all time series: orange, for as long as a queue
is paused; blue, where a version appears that was not there before; purple, where worker processes start (off at first,
but on the workers' board).

`$__rate_interval` is Grafana's: at least four scrapes. Names with a colon are recording rules. Error budgets look back
30 days, so Prometheus should keep its data that long (`--storage.tsdb.retention.time=30d`).

This page is written by `callboard generate` from `monitoring/dashboards/`; a test runs every query below against a real
Prometheus.
"""

_UNITS = {
    "s": "seconds", "bytes": "bytes", "Bps": "bytes/s", "percentunit": "share", "short": "count", "none": "number",
}  # fmt: skip


def page(site: Site) -> str:
    """The page, in Markdown."""
    return "\n".join([_HEAD, *(_board(board) for board in boards(site))])


def _board(board: Board) -> str:
    lines = [f"## {board.title}", "", board.purpose, ""]
    chosen = ", ".join(f"`${variable.name}`" for variable in board.variables)
    lines += [f"Chosen at the top: {chosen}.", ""] if chosen else []
    for row in board.rows:
        lines += [f"### {row.title}", ""] if row.title else []
        lines += ["| panel | query | unit | why |", "|---|---|---|---|"]
        lines += [_panel(panel) for panel in row.panels]
        lines.append("")
    return "\n".join(lines)


def _panel(panel: Panel) -> str:
    queries = "<br>".join(_query(query.legend, query.expr) for query in panel.asked())
    return f"| {panel.title} | {queries} | {_unit(panel)} | {panel.why} |"


def _query(legend: str, expr: str) -> str:
    name = f"{legend}: " if legend and "{{" not in legend else ""
    return f"{name}`{expr}`".replace("|", "\\|")


def _unit(panel: Panel) -> str:
    columns = panel.table.columns if panel.table else ()
    units = dict.fromkeys(column.unit for column in columns) or [panel.unit]
    return ", ".join(_UNITS.get(unit) or unit.removeprefix("suffix:") for unit in units)
