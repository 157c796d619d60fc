"""What is seen while the demo plays: a board that changes in place, or calm lines where there is no terminal."""

from __future__ import annotations

from collections import deque
from time import monotonic
from typing import Protocol, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from callboard import Priority
from callboard.verbs.looking import QueueStats
from demo.narrator import Line
from demo.report import STATE_STYLES

_COUNTS = ("waiting", "delayed", "active", "completed", "failed")
#: Events shown at most, and the lines that the rest of the board takes.
_LINES, _OTHER_LINES = 10, 17
_STYLES = {**STATE_STYLES, "added": "blue", "retried": "yellow", "stalled": "bold red"}


class Screen(Protocol):
    """Where the demo shows what happens."""

    def title(self, text: str) -> None:
        """Say what is being done, or what runs where; may be repeated while that takes its time."""

    def update(self, stats: list[QueueStats], fresh: list[Line], ended: int, of: int) -> None:
        """Show the queues, what is new, and that ``ended`` of so many jobs have ended."""

    def close(self) -> None:
        """Give the terminal back."""


class CalmScreen:
    """A line for each event: for logs, and for everything that is no terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._title = ""

    def title(self, text: str) -> None:
        """Print it, once."""
        if text != self._title:
            print(text, file=self._stream, flush=True)
        self._title = text

    def update(self, stats: list[QueueStats], fresh: list[Line], ended: int, of: int) -> None:
        """Print what is new."""
        for line in fresh:
            print(line, file=self._stream, flush=True)

    def close(self) -> None:
        """Nothing to give back."""


class LiveScreen:
    """The board: every queue with its counts, how far it has come, and the last events. Gone when closed."""

    def __init__(self, console: Console) -> None:
        self._began = monotonic()
        self._title = ""
        self._stats: list[QueueStats] = []
        self._lines: deque[Line] = deque(maxlen=max(1, min(_LINES, console.height - _OTHER_LINES)))
        self._ended, self._of = 0, 0
        # No refreshing thread: the demo's loop draws, ten times a second.
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def title(self, text: str) -> None:
        """Show it above the board."""
        self._title = text
        self._draw()

    def update(self, stats: list[QueueStats], fresh: list[Line], ended: int, of: int) -> None:
        """Draw the board anew."""
        self._stats, self._ended, self._of = stats, ended, of
        self._lines.extend(fresh)
        self._draw()

    def close(self) -> None:
        """Wipe the board."""
        self._live.stop()

    def _draw(self) -> None:
        head = Table.grid(expand=True, padding=(0, 2, 0, 0), pad_edge=False)
        head.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        head.add_column(justify="right", no_wrap=True)
        title = Text.assemble(("Callboard  ", "bold"), (self._title, "dim"))
        head.add_row(title, Text(f"{monotonic() - self._began:.1f} s", style="dim"))
        board: list[RenderableType] = []
        if self._stats:
            board = ["", _queues(self._stats), "", self._progress(), "", self._events()]
        self._live.update(Group(head, *board), refresh=True)

    def _progress(self) -> Table:
        grid = Table.grid(padding=(0, 2, 0, 0))
        bar = ProgressBar(total=max(self._of, 1), completed=self._ended, width=58, complete_style="green")
        grid.add_row(bar, Text(f"{self._ended} of {self._of} jobs ended"))
        return grid

    def _events(self) -> Table:
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        grid.add_column(justify="right", width=7, no_wrap=True)
        grid.add_column(width=20, no_wrap=True, overflow="ellipsis")
        grid.add_column(width=9, no_wrap=True)
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        for line in self._lines:
            kind = Text(line.kind, style=_STYLES.get(line.kind, ""))
            remark = Text(line.remark, style="bold red" if line.remark == Priority.CRITICAL.name else "dim")
            grid.add_row(Text(f"{line.seconds:.2f} s", style="dim"), line.jobs, kind, remark)
        return grid


def _queues(stats: list[QueueStats]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("queue", width=24, no_wrap=True)
    for name in _COUNTS:
        table.add_column(name, justify="right", width=10, no_wrap=True)
    for each in stats:
        counts = {name: getattr(each, name) for name in _COUNTS}
        busy = any(counts.values())
        table.add_row(
            Text(each.queue, style="bold" if busy else "dim"),
            *(Text(f"{n:,}", style=STATE_STYLES[name]) if n else Text("·", style="dim") for name, n in counts.items()),
        )
    return table
