"""What follows from the code is committed as the code has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from callboard.cli import generate as module
from callboard.cli.main import main
from callboard.verbs.steering import ALL_STATES, EFFECTS
from monitoring.site import Site


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree of the test's own, without any of the files; only one of them is made there."""
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr("monitoring.files.FILES", {})
    return tmp_path


def test_every_generated_file_is_as_the_code_has_it() -> None:
    assert module.stale(module.ROOT, module.made()) == [], "run `callboard generate` and commit what it writes"


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


def test_a_folder_that_cannot_be_written_to_is_named(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    result = CliRunner().invoke(main, ["generate", "--output", str(tmp_path / "taken/below")])
    assert result.exit_code == 1
    assert f"Error: {tmp_path / 'taken/below/docs/reference'} cannot be written: Not a directory" in result.output


def test_another_folder_gets_what_differs_there(tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rules(site: Site) -> str:
        return f"{site.span('5m')} {site.grafana_url} {site.catalogue['maintenance'].thresholds.failed}"

    monkeypatch.setattr("monitoring.files.FILES", {"deploy/rules.yml": rules})
    monkeypatch.setenv("CALLBOARD_QUEUES", '{"maintenance": {"thresholds": {"failed": 7}}}')
    given = ["--time-scale", "0.1", "--grafana-url", "https://grafana.example.com"]
    result = CliRunner().invoke(main, ["generate", "--output", str(tmp_path / "own"), *given])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "own/deploy/rules.yml").read_text() == "30s https://grafana.example.com 7"
    assert not (tree / "deploy").exists()


@pytest.mark.parametrize(
    ("scale", "duration", "expected"),
    [(1, "5m", "5m"), (0.1, "5m", "30s"), (0.01, "15s", "150ms"), (0.0001, "1s", "1ms"), (2, "1h", "7200s")],
)
def test_a_duration_is_scaled(scale: float, duration: str, expected: str) -> None:
    assert Site(time_scale=scale).span(duration) == expected


@pytest.mark.parametrize("text", ["5", "m", "1h30m", "5 m", ""])
def test_what_is_no_duration_of_one_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no duration"):
        Site().span(text)


def test_without_a_source_tree_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROOT", tmp_path)
    result = CliRunner().invoke(main, ["generate"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: There is no source tree")


def test_the_page_of_verbs_has_a_row_a_verb_and_a_cell_a_state() -> None:
    rows = [line for line in module.verbs_page().splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == ["verb", *EFFECTS]
    assert {row.count(" | ") for row in rows} == {len(ALL_STATES)}
