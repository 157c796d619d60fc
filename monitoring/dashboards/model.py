"""What a dashboard is made of: boards of rows of panels of queries. Plain data; nothing here knows Grafana's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

#: How a panel shows its queries.
Kind = Literal["timeseries", "stat", "table", "bargauge", "heatmap", "state-timeline"]

Color = Literal["green", "yellow", "orange", "red", "blue", "purple", "text"]


@dataclass(frozen=True, slots=True)
class Step:
    """From ``value`` on (None: from the lowest), a value has this colour."""

    value: float | None
    color: Color


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL expression of a panel.

    ``legend``: the name of its series, with ``{{label}}`` for a label's value. ``limit``: drawn as a dashed line that
    the others are measured by. ``rare``: a system that does its work, as the end-to-end test has one, may well have
    nothing to answer here.
    """

    expr: str
    legend: str = ""
    limit: bool = False
    rare: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the value of ``query``, whose legend is the column's title.

    ``words``: what is shown instead of a value, and in which colour.
    """

    query: Query
    unit: str = "short"
    steps: tuple[Step, ...] = ()
    words: Mapping[str, tuple[str, Color]] = field(default_factory=dict)
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """What a table adds to a panel: a row for each combination of ``keys`` (labels), a column for each query.

    ``keys``: label -> title of its column. ``link``: where a click on the first key leads. ``sort``: title of the
    column that the rows are sorted by, the highest first.
    """

    keys: Mapping[str, str]
    columns: tuple[Column, ...] = ()
    link: str = ""
    sort: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel. Sizes are in cells of the grid, which is 24 wide.

    ``why``: the reason to look at it, and what is not as it seems. ``unit``: an id of Grafana's, or ``suffix:…``.
    ``empty``: what is said when there is nothing to show. ``steps``: colours of values; ``lines`` draws them into a
    time series as well. ``words``: as in a column. ``stacked``, ``bars``, ``exemplars``: for time series. ``named``: a
    stat shows the names of its series instead of their values.
    """

    title: str
    why: str
    unit: str
    queries: tuple[Query, ...] = ()
    kind: Kind = "timeseries"
    width: int = 12
    height: int = 8
    empty: str = "no data: is Prometheus scraping?"
    steps: tuple[Step, ...] = ()
    lines: bool = False
    words: Mapping[str, tuple[str, Color]] = field(default_factory=dict)
    low: float | None = 0
    high: float | None = None
    decimals: int | None = None
    stacked: bool = False
    bars: bool = False
    exemplars: bool = False
    named: bool = False
    link: str = ""
    table: Table | None = None

    def asked(self) -> tuple[Query, ...]:
        """All queries, those of the columns too, in the order in which they are asked."""
        return self.queries if self.table is None else tuple(column.query for column in self.table.columns)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading; '' is no heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a board: values of ``label`` in the series of ``series``; several, or all.

    ``first``: what is chosen when nobody has chosen yet; '' is all.
    """

    name: str
    label: str
    series: str
    title: str
    first: str = ""


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard. ``runbook``: the page of the runbooks that goes with it. ``since``: how far back it looks."""

    uid: str
    title: str
    purpose: str
    rows: tuple[Row, ...]
    runbook: str
    variables: tuple[Variable, ...] = ()
    since: str = "now-3h"

    def panels(self) -> tuple[Panel, ...]:
        """All panels, from top to bottom."""
        return tuple(panel for row in self.rows for panel in row.panels)
