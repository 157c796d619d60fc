"""Runs promtool on rules and tests of a test's own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

#: Names of alerts, expressions, and rules that could not be evaluated, as promtool tells them of a test that failed.
_FAILED = re.compile(r"^    (?:alertname: (\w+),|expr: \"(.*)\", time|rule: (\S+), time)", re.MULTILINE)


def failures(folder: Path, rules: list[dict[str, Any]], tests: list[dict[str, Any]], every: str) -> list[str]:
    """What failed of ``tests`` for ``rules``: names of alerts, and expressions. Files are written to ``folder``.

    When rules cannot be evaluated, promtool tells their names and runs no test.

    Raises: AssertionError when promtool could not run the tests at all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "tried", "rules": rules}]}))
    asked = {"rule_files": ["rules.yml"], "evaluation_interval": every, "tests": tests}
    (folder / "tests.yml").write_text(yaml.safe_dump(asked))
    code, said = run("test", "rules", str(folder / "tests.yml"))
    failed = [alert or expr or rule for alert, expr, rule in _FAILED.findall(said)]
    assert (code == 0) == (not failed), said[:4000]
    return failed


def run(*arguments: str) -> tuple[int, str]:
    """Exit code of ``promtool`` and all that it said."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr
