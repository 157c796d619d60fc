"""The demo's table: whole at every usual width, with fewer columns where there is less room."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from demo.report import Row, print_table

FOLDER = Path("/demo")
ROWS = [
    Row("email-notifications", "send_email", "weekly-report", "completed", 1, 0.76, ["/demo/mailbox/0002.eml"]),
    Row(
        "webhook-delivery", "deliver_webhook", "live:ep_38gcpdvwyhxg9894c2xk", "completed", 2, 5.15,
        ["/demo/webhooks/0002.json", "/demo/webhooks/0006.json"],
    ),
    Row("maintenance", "clean_completed", "clean-rehearsal", "failed", 1, 0.01, []),
]  # fmt: skip


def printed(width: int) -> list[str]:
    out = io.StringIO()
    print_table(Console(file=out, width=width), ROWS, FOLDER)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (160, ["queue", "actor", "job", "id", "state", "attempts", "seconds", "artifacts"]),
        (100, ["queue", "job", "id", "state", "attempts", "seconds", "artifacts"]),
        (80, ["job", "id", "state", "attempts", "seconds", "artifacts"]),
    ],
)
def test_nothing_is_cut_off_at_a_usual_width(width: int, columns: list[str]) -> None:
    header, *lines = printed(width)
    assert header.split() == columns
    words = {word for line in lines for word in line.split()}
    for row in ROWS:
        files = {path.removeprefix("/demo/") for path in row.artifacts}
        assert {row.queue, row.job_id, row.state, f"{row.seconds:.2f}", *files} <= words
    assert max(len(line) for line in lines) <= width


def test_where_queues_have_no_column_they_are_headings() -> None:
    assert [line for line in printed(80) if line in {row.queue for row in ROWS}] == [row.queue for row in ROWS]
