"""pytest's plugin: there with the package, costs a suite nothing that does not use it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

from tests.support.process import ROOT

SUITE = '''
import dramatiq

from callboard import CallboardBroker, Settings, current_job

source = CallboardBroker(Settings())
dramatiq.set_broker(source)


@dramatiq.actor(queue_name="maintenance")
def vacuum(table):
    current_job().log(table)


def test_with_a_clean_broker(callboard_broker):
    callboard_broker.assert_nothing_added()
    sent = vacuum.send("posts")
    callboard_broker.run_all()
    assert callboard_broker.job(sent).log == ["posts"]


def test_with_a_clean_broker_again(callboard_broker, callboard_clock):
    callboard_broker.assert_nothing_added()
    vacuum.send_with_options(args=("posts",), delay=1000)
    callboard_clock.advance(1)
    assert len(callboard_broker.run_all()) == 1


def test_after():
    assert vacuum.broker is source
'''


def python(*arguments: str, folder: Path) -> str:
    found = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def test_a_suite_has_the_fixtures_without_doing_anything(tmp_path: Path) -> None:
    (tmp_path / "test_vacuum.py").write_text(SUITE, encoding="utf-8")
    said = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "test_vacuum.py", folder=tmp_path)
    assert "3 passed" in said


def test_the_plugin_imports_nothing_of_the_engine_until_it_is_used() -> None:
    plugins = {each.name: each.value for each in entry_points(group="pytest11")}
    assert plugins.get("callboard") == "pytest_callboard", "install the project anew: pip install --editable ."
    said = python("-c", "import sys, pytest_callboard; print('callboard' in sys.modules)", folder=ROOT)
    assert said.strip() == "False"


def test_the_engine_needs_no_pytest() -> None:
    said = python("-c", "import sys, callboard.testing; print('pytest' in sys.modules)", folder=ROOT)
    assert said.strip() == "False"
