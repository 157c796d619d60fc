"""The guides' code runs: their files as they stand, their tests pass, their links lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.guides import GUIDES, blocks, environment, files, session, write_project
from tests.support.process import ROOT

PAGES = ("write-a-job", "test-a-job")


def run(folder: Path, *command: str) -> str:
    found = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True, check=False, timeout=100
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


@pytest.mark.parametrize(("page", "tests"), [("write-a-job", 6), ("test-a-job", 1)])
def test_the_tests_that_a_guide_shows_pass(tmp_path: Path, page: str, tests: int) -> None:
    write_project(page, tmp_path)
    paths = [path for path in files(page) if path.startswith("tests/")]
    said = run(tmp_path, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", *paths)
    assert f"{tests} passed" in said


def test_the_session_of_test_a_job_runs(tmp_path: Path) -> None:
    """What needs a server is the session of the other guide: it runs in tests/integration/test_guides.py."""
    write_project("test-a-job", tmp_path)
    script = files("test-a-job")["tests/unit/test_reminders.py"] + session("test-a-job")
    (tmp_path / "session.py").write_text(script, encoding="utf-8")
    run(tmp_path, sys.executable, "session.py")


@pytest.mark.parametrize("page", PAGES)
def test_there_is_no_code_that_no_test_runs(page: str) -> None:
    text = (GUIDES / f"{page}.md").read_text(encoding="utf-8")
    languages = set(re.findall(r"^```(\w+)$", text, re.MULTILINE))
    assert languages <= {"python", "sh"}, "a block in a language that nobody runs"
    if page == "test-a-job":
        assert not blocks(page, "sh"), "commands run with the other guide only"


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_a_guide_shows_are_clean(tmp_path: Path, page: str) -> None:
    write_project(page, tmp_path)
    for name in ("callboard", "middleware", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    run(tmp_path, sys.executable, "-m", "ruff", "check", "--no-cache", *files(page))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (GUIDES / f"{page}.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        assert (GUIDES / target).exists(), f"{page}.md links to {target}"


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("from_page", ["README.md", "CONTRIBUTING.md"])
def test_readers_find_the_guides(page: str, from_page: str) -> None:
    assert f"docs/guides/{page}.md" in (ROOT / from_page).read_text(encoding="utf-8")


def test_the_actor_that_the_readme_shows_runs(tmp_path: Path) -> None:
    page = "../../README"
    write_project(page, tmp_path)
    (tmp_path / "session.py").write_text(
        "from actors.greetings import greet\n"
        "from callboard.testing import inline_broker\n"
        "with inline_broker() as broker:\n"
        "    sent = greet.send(name='Ada')\n"
        "    broker.run_all()\n"
        "    print(broker.job(sent).result, broker.job(sent).log)\n",
        encoding="utf-8",
    )
    assert run(tmp_path, sys.executable, "session.py") == "Hello Ada ['attempt 1']\n"
