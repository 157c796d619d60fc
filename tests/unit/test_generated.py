"""What follows from the code is committed as the code has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from callboard.cli import generate as module
from callboard.cli.main import main
from callboard.verbs.steering import ALL_STATES, EFFECTS


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree of the test's own, without any of the files."""
    (tmp_path / "docs" / "reference").mkdir(parents=True)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def test_every_generated_file_is_as_the_code_has_it() -> None:
    assert module.stale(module.ROOT) == [], "run `callboard generate` and commit what it writes"


def test_a_missing_or_changed_file_is_written_and_named(tree: Path) -> None:
    result = CliRunner().invoke(main, ["generate"])
    assert (result.exit_code, result.output) == (0, "docs/reference/verbs.md: written\n")
    (tree / "docs/reference/verbs.md").write_text("old")
    assert json.loads(CliRunner().invoke(main, ["generate", "--json"]).output) == ["docs/reference/verbs.md"]
    assert CliRunner().invoke(main, ["generate"]).output == ""


def test_check_writes_nothing_and_fails(tree: Path) -> None:
    result = CliRunner().invoke(main, ["generate", "--check"])
    assert result.exit_code == 1
    assert "docs/reference/verbs.md: not as the code has it" in result.output
    assert not (tree / "docs/reference/verbs.md").exists()
    CliRunner().invoke(main, ["generate"])
    assert CliRunner().invoke(main, ["generate", "--check"]).exit_code == 0


def test_without_a_source_tree_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOT", tmp_path)
    result = CliRunner().invoke(main, ["generate"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: There is no source tree")


def test_the_page_of_verbs_has_a_row_a_verb_and_a_cell_a_state() -> None:
    rows = [line for line in module.verbs_page().splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == ["verb", *EFFECTS]
    assert {row.count(" | ") for row in rows} == {len(ALL_STATES)}
