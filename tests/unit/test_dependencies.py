"""What the code imports is declared: a clean machine has nothing that another package happened to bring along."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
OURS = {"callboard", "middleware", "actors", "ops_api", "monitoring", "demo", "bench", "tests"}

#: Parts of a declared package that have a name of their own: redis[hiredis], pydantic.
PARTS = {"hiredis", "pydantic-core"}

#: Which declared lists each part of the tree may import from.
ENGINE = [*PROJECT["dependencies"], *EXTRAS["embedded"]]
APP = [*PROJECT["dependencies"], *EXTRAS["app"]]
DEV = [*ENGINE, *APP, *EXTRAS["dev"]]
MAY: dict[str, list[str]] = {
    "callboard": ENGINE, "middleware": APP, "actors": APP, "ops_api": APP, "monitoring": DEV, "demo": DEV, "bench": DEV,
    "tests": DEV,
}  # fmt: skip


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {normal(found[0]) for text in requirements if (found := re.match(r"[\w.-]+", text))}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("part", MAY)
def test_every_import_is_of_a_declared_dependency(part: str) -> None:
    distributions = packages_distributions()
    allowed = declared(MAY[part]) | PARTS
    undeclared = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / part).rglob("*.py")
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name not in OURS and name not in sys.stdlib_module_names
        if not {normal(each) for each in distributions.get(name, [name])} & allowed
    }
    assert not undeclared
