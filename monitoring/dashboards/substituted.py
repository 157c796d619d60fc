"""The queries of the boards as a Prometheus takes them: what Grafana would put in for its variables is put in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.dashboards.annotations import marks
from monitoring.dashboards.boards import boards
from monitoring.dashboards.model import Board
from monitoring.dashboards.templating import ALL
from monitoring.site import Site

#: Grafana's `$__rate_interval` is four scrapes at least.
RATE_INTERVAL = "1m"

#: Not `$1`, which is PromQL's.
_VARIABLE = re.compile(r"\$([a-zA-Z_]\w*)|\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query of a board. ``where``: the panel's title, or what else asks it. ``rare``: it may well answer nothing."""

    board: str
    where: str
    expr: str
    rare: bool = False


def queries(site: Site, rate_interval: str = RATE_INTERVAL, **chosen: str) -> Iterator[Asked]:
    """Every query of every board: of its panels, its marks and its variables.

    ``rate_interval``: at least four times the interval of scrapes. ``chosen``: a regular expression for a variable
    (``queue="email-notifications"``); All where none is given.
    """
    for board in boards(site):
        for found in _of(board):
            yield Asked(found.board, found.where, substitute(found.expr, rate_interval, **chosen), found.rare)


def substitute(expr: str, rate_interval: str = RATE_INTERVAL, **chosen: str) -> str:
    """``expr`` without Grafana's variables. Raises: ValueError for a variable of Grafana's that we do not use."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name == "__rate_interval":
            return rate_interval
        if name.startswith("__"):
            raise ValueError(f"${name} is not put in: say here what it stands for")
        return chosen.get(name, ALL)

    return _VARIABLE.sub(value, expr)


def _of(board: Board) -> Iterator[Asked]:
    for panel in board.panels():
        for query in panel.asked():
            yield Asked(board.uid, panel.title, query.expr, query.rare)
    for mark in marks(board):
        yield Asked(board.uid, f"annotation {mark.name}", mark.expr, rare=True)
    for variable in board.variables:
        yield Asked(board.uid, f"variable {variable.name}", f"group by ({variable.label}) ({variable.series})")
