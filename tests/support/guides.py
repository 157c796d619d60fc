"""The guides as a newcomer follows them: their files in a copy of the application, their commands and their code."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from tests.support.process import ROOT

GUIDES = ROOT / "docs" / "guides"

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

#: A block that begins so is a file.
_FILE = re.compile(r"# (\S+\.py)\n")


def blocks(page: str, language: str) -> list[str]:
    """The code of a guide in ``language``, in its order."""
    text = (GUIDES / f"{page}.md").read_text(encoding="utf-8")
    return [code for found, code in _BLOCK.findall(text) if found == language]


def files(page: str) -> dict[str, str]:
    """The files that a guide says to write: path -> text."""
    return {found[1]: code for code in blocks(page, "python") if (found := _FILE.match(code))}


def session(page: str) -> str:
    """The guide's other Python blocks, as one session."""
    return "\n\n".join(code for code in blocks(page, "python") if not _FILE.match(code))


def write_project(page: str, folder: Path) -> None:
    """Make ``folder`` the project's source tree, as far as jobs need it, with the guide's files."""
    shutil.copytree(ROOT / "actors", folder / "actors", ignore=shutil.ignore_patterns("__pycache__"))
    for path, text in files(page).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    composition = folder / "actors" / "app.py"
    modules = [path.removesuffix(".py").replace("/", ".") for path in files(page) if path.startswith("actors/")]
    added = "".join(f', "{module}"' for module in modules)
    text, count = re.subn(r"^(JOB_TYPES\b[^)]*?),?\s*\)", rf"\1{added})", composition.read_text(), flags=re.MULTILINE)
    assert count == 1, "the guide speaks of JOB_TYPES in actors/app.py"
    composition.write_text(text)


def environment(**changes: str) -> dict[str, str]:
    """The variables of a terminal in which the environment was activated, and nothing of Redis is set.

    The jobs of the guides are counted, so the platform's own cadence stays out unless it is asked for.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("REDIS_", "CALLBOARD_"))}
    path = f"{Path(sys.executable).parent}:{inherited['PATH']}"
    return {**inherited, "PATH": path, "CALLBOARD_CANARY": "false", "CALLBOARD_SCHEDULES": "false", **changes}
