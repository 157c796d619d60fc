"""The page of events names each one that scripts emit, and no other."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs/reference/events.md").read_text(encoding="utf-8")
VERBS = files("callboard.verbs")


def emitted() -> set[str]:
    """Names in ``emit('…'``; those that a finish emits by the state it leads to are in its table ``of``."""
    folders = (VERBS, VERBS.joinpath("includes"))
    text = "\n".join(f.read_text() for folder in folders for f in folder.iterdir() if f.name.endswith(".lua"))
    by_end = re.search(r"local of = \{(.*?)\}\n", text)
    assert by_end is not None, "finish.lua has no table `of`"
    return set(re.findall(r"\bemit\('(\w+)'", text)) | set(re.findall(r"(\w+) = \{\}", by_end[1]))


def test_the_page_names_every_event_and_no_other() -> None:
    rows = re.findall(r"^\| (`.+?) \|", PAGE, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == emitted()
