"""Where panels stand: left to right on a grid 24 cells wide, a new line where one does not fit."""

from __future__ import annotations

from collections.abc import Iterator

from monitoring.dashboards.model import Board, Panel, Row

#: Grafana's grid.
WIDTH = 24


def placed(board: Board) -> Iterator[tuple[Row | Panel, int, int]]:
    """The rows with a title and the panels of ``board`` in order, each with its place: x and y of the upper left.

    Raises: ValueError for a panel that is wider than the grid.
    """
    y = 0
    for row in board.rows:
        if row.title:
            yield row, 0, y
            y += 1
        x = tallest = 0
        for panel in row.panels:
            if panel.width > WIDTH:
                raise ValueError(f"{board.uid}: {panel.title!r} is {panel.width} wide, the grid {WIDTH}")
            if x + panel.width > WIDTH:
                x, y, tallest = 0, y + tallest, 0
            yield panel, x, y
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest
