"""Tables on a terminal: nothing in them is cut; a narrow terminal goes without some columns, or wraps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.segment import Segment, Segments
from rich.table import Table

#: Wider than any table.
ENDLESS = 10_000


def width_of(console: Console, table: Table) -> int:
    """How wide ``table`` is when nothing is cut (characters)."""
    return Measurement.get(console, console.options.update(width=ENDLESS), table).maximum


def fitting(console: Console, table_without: Callable[[Collection[str]], Table], give_way: Sequence[str]) -> Table:
    """The table in as many columns as fit. ``table_without`` makes it without some columns, ``give_way`` names those
    that may go, the first first; without all of them it is what it is."""
    gone: set[str] = set()
    table = table_without(gone)
    for name in give_way:
        if width_of(console, table) <= console.width:
            break
        gone.add(name)
        table = table_without(gone)
    return table


def print_whole(console: Console, table: Table) -> None:
    """Cut nothing: lines that are too long are the terminal's to wrap."""
    print_lines(console, whole_lines(console, table))


def whole_lines(console: Console, table: Table) -> list[list[Segment]]:
    """The lines of a table of which nothing is cut, for :func:`print_lines`."""
    width = max(console.width, width_of(console, table))
    return console.render_lines(table, console.options.update(width=width), pad=False)


def print_lines(console: Console, lines: Iterable[list[Segment]]) -> None:
    """Print lines as they are, however long."""
    for line in lines:
        console.print(Segments([*line, Segment.line()]), crop=False)
