"""promtool on the rules: its linter, and the tests that follow from the catalogue."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard.catalogue import Catalogue, QueueSpec, Thresholds, default_queues
from monitoring.rule_tests.files import TESTS
from monitoring.rules import RULES
from monitoring.site import Site
from tests.support.promtool import run

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"

#: Queues of which one has thresholds and levels of its own, and another the lower threshold alone.
DIFFERENT = default_queues() | {
    "thumbnails.small": QueueSpec(
        name="thumbnails.small", slo_success=0.9, slo_wait=0.95, thresholds=Thresholds(failed=5, waiting=50, active=7)
    ),
    "thumbnails-small": QueueSpec(name="thumbnails-small", thresholds=Thresholds(failed=5)),
}


def test_the_linter_of_rules_finds_nothing() -> None:
    files = sorted(str(path) for path in (PROMETHEUS / "rules").glob("*.yml"))
    assert {str(ROOT / name) for name in RULES} == set(files), "a rule file that nothing writes, or that is not written"
    code, said = run("check", "rules", "--lint=all", "--lint-fatal", *files)
    assert code == 0, said


@pytest.mark.parametrize("path", sorted(TESTS), ids=lambda path: Path(path).stem)
def test_the_rules_do_what_their_tests_say(path: str) -> None:
    code, said = run("test", "rules", str(ROOT / path))
    assert code == 0, said


def test_all_tests_of_rules_are_written() -> None:
    assert {str(path.relative_to(ROOT)) for path in (PROMETHEUS / "tests").glob("*.yml")} == set(TESTS)


@pytest.mark.long
def test_queues_with_other_numbers_are_watched_with_theirs(tmp_path: Path) -> None:
    site = Site(catalogue=Catalogue(DIFFERENT))
    made = {name: make(site) for name, make in (RULES | TESTS).items()}
    for name, text in made.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    rules = [str(tmp_path / name) for name in RULES]
    code, said = run("check", "rules", "--lint=all", "--lint-fatal", *rules)
    assert code == 0, said
    tests = tmp_path / "deploy/prometheus/tests"
    code, said = run("test", "rules", str(tests / "queues.yml"), str(tests / "slo.yml"))
    assert code == 0, said
