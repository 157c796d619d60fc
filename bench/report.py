"""What a run shows: a table on the terminal, JSON for machines, docs/benchmarks.md for readers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.rows import Outcome, Row

#: Figures that the JSON output always has; null when their measurement was left out with --only.
FIGURES = (
    "throughput_ratio_dramatiq", "throughput_ratio_bullmq", "bulk_add_ratio_bullmq", "pickup_p50_ms", "pickup_p99_ms",
    "bullmq_pickup_p50_ms", "bullmq_pickup_p99_ms", "bytes_per_waiting_job", "bullmq_bytes_per_waiting_job",
)  # fmt: skip

_STYLES = {"met": "green", "missed": "bold red", "info": "dim"}


def number(value: float) -> str:
    """Three significant places or so, thousands with a comma."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def as_json(outcome: Outcome, versions: Mapping[str, str]) -> str:
    """The run as one JSON object."""
    figures = {name: outcome.figures.get(name) for name in FIGURES} | outcome.figures
    rows = [row.as_json() for row in outcome.rows]
    return json.dumps({**figures, "rows": rows, "versions": dict(versions)}, indent=2)


def show(outcome: Outcome, versions: Mapping[str, str], machine: str) -> None:
    """Print the table and the versions."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    table = Table(title="bin/bench", title_justify="left")
    table.add_column("row")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("target")
    table.add_column("verdict")
    table.add_column("note", overflow="fold", style="dim")
    for row in outcome.rows:
        verdict = f"[{_STYLES[row.verdict]}]{row.verdict}[/]"
        table.add_row(row.name, number(row.value), row.unit, row.target, verdict, row.note)
    console.print(table)
    console.print(f"{machine}; " + ", ".join(f"{name} {version}" for name, version in versions.items()))


def write_markdown(
    path: Path,
    outcome: Outcome,
    versions: Mapping[str, str],
    machine: str,
    command: str,
    methods: Sequence[tuple[str, str]],
    found: str,
) -> None:
    """Write the report. ``methods``: name and text of each measurement; ``found``: how the settings were chosen."""
    lines = [
        "# Benchmarks",
        "",
        f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}; do not edit. Every system ran on the same Redis and",
        f"the same cores in one run: {machine}.",
        "",
        "| component | version |",
        "|---|---|",
        *(f"| {name} | {version} |" for name, version in versions.items()),
        "",
        "## Figures",
        "",
        "A note with several numbers lists the rounds behind a median.",
        "",
        "| row | value | unit | target | verdict | note |",
        "|---|---:|---|---|---|---|",
        *map(_line, outcome.rows),
        "",
        "## Method",
        "",
        "The Redis of a run is started for it on a loopback port, without persistence, `noeviction`, and emptied",
        "before each measurement. `bin/bench --only NAME` repeats one.",
    ]
    for name, text in methods:
        lines += ["", f"### {name}", "", *text.strip().splitlines()]
    lines += ["", "## Settings of the systems", "", *found.strip().splitlines(), ""]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines))


def _line(row: Row) -> str:
    verdict = f"**{row.verdict}**" if row.verdict == "missed" else row.verdict
    cells = (row.name, number(row.value), row.unit, row.target, verdict, row.note)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
