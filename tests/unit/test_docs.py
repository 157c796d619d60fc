"""The reference pages name every setting and every option there is, with its default, and none that is not there."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from actors.alerts.settings import PREFIX as ALERTS
from actors.alerts.settings import AlertSettings
from actors.email.settings import SmtpSettings
from callboard.catalogue import QueueSpec, Thresholds, default_queues
from callboard.cli.main import COMMANDS
from callboard.cli.main import main as callboard
from callboard.settings import Settings
from demo.command import main as demo
from demo.monitoring.command import main as monitoring
from ops_api.settings import PREFIX as OPS
from ops_api.settings import OpsSettings

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SETTINGS = (REFERENCE / "settings.md").read_text(encoding="utf-8")
CLI = (REFERENCE / "cli.md").read_text(encoding="utf-8")

#: What the first cell of a row calls something: `NAME`, or `--option`, `-o`.
_ROW = re.compile(r"^\| (`[^|]+?`) \| ([^|]*?) ?\|", re.MULTILINE)


def rows(page: str) -> dict[str, str]:
    """First cell -> second cell of all table rows that begin with code."""
    return dict(_ROW.findall(page))


def shown(default: Any) -> str | None:
    """How a default is written; None where words say it better than the value."""
    if default is None or default is PydanticUndefined or default == "" or isinstance(default, BaseModel | Path):
        return None
    if isinstance(default, str):
        return f"`{default}`"
    if isinstance(default, float):
        return f"`{default:g}`"
    return f"`{json.dumps(default)}`"


def variable(name: str) -> str:
    return name.upper() if name.startswith("redis_") else f"CALLBOARD_{name.upper()}"


def documented(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Name in the page -> default of every field of ``model``."""
    names = {name: f"{prefix}{name}" for name in model.model_fields}
    if model is Settings:
        names = {name: variable(name) for name in names}
    if model is SmtpSettings:
        names = {name: f"CALLBOARD_SMTP_{name.upper()}" for name in names}
    if model is OpsSettings:
        names = {name: f"{OPS}{name.upper()}" for name in names}
    if model is AlertSettings:
        names = {name: f"{ALERTS}{name.upper()}" for name in names}
    fields = model.model_fields
    return {names[name]: fields[name].get_default(call_default_factory=True) for name in names}


EVERYTHING = {
    **documented(Settings), **documented(SmtpSettings), **documented(OpsSettings),
    **documented(AlertSettings),
    **documented(Thresholds, "thresholds."), **documented(QueueSpec),
}  # fmt: skip
del EVERYTHING["name"]  # a queue's name is the key under which it is described


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    said = rows(SETTINGS).get(f"`{name}`")
    assert said is not None, f"docs/reference/settings.md has no row for {name}"
    expected = shown(EVERYTHING[name])
    assert expected is None or said == expected, f"the default of {name} is {expected}, the page says {said}"


def test_no_setting_is_documented_that_is_not_there() -> None:
    names = {name.strip("`") for name in rows(SETTINGS)}
    assert not names - set(EVERYTHING) - set(default_queues())


@pytest.mark.parametrize("spec", default_queues().values(), ids=lambda spec: spec.name)
def test_every_queue_is_documented_as_it_is(spec: QueueSpec) -> None:
    cells = [
        f"`{spec.name}`", int(spec.priority), spec.max_attempts,
        f"{spec.backoff} {spec.backoff_base_ms // 1000}–{spec.backoff_cap_ms // 1000}", spec.time_limit_ms // 1000,
        spec.wait_target_ms // 1000, spec.max_per_process or "no limit", spec.weight,
    ]  # fmt: skip
    row = f"| {' | '.join(str(cell) for cell in cells)} |"
    assert row in SETTINGS, f"docs/reference/settings.md should have the row\n{row}"


def commands() -> dict[str, click.Command]:
    """Heading in the page -> command."""
    found: dict[str, click.Command] = {"Command line": callboard, "bin/demo": demo, "bin/monitoring": monitoring}
    for name, (where, _) in COMMANDS.items():
        module, _, attribute = where.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        found[f"callboard {name}"] = command
        if isinstance(command, click.Group):
            found |= {f"callboard {name} {sub}": each for sub, each in command.commands.items()}
    return found


def sections() -> dict[str, str]:
    """Heading -> what is below it, up to the next heading."""
    parts = re.split(r"^##? (.+)$", CLI, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_is_documented_and_no_other() -> None:
    assert set(sections()) == set(commands())


@pytest.mark.parametrize("heading", commands())
def test_every_option_is_documented_with_its_default_and_no_other(heading: str) -> None:
    command, said = commands()[heading], rows(sections()[heading])
    expected = {
        ", ".join(f"`{name}`" for name in sorted(option.opts, key=len, reverse=True)): option.default
        for option in command.params
        if isinstance(option, click.Option)
    }
    if heading == "Command line":
        expected["`--help`, `-h`"] = None
    assert set(said) == set(expected), f"options of {heading}"
    for names, default in expected.items():
        if isinstance(default, str | Path | int | float) and default != "" and not isinstance(default, bool):
            wanted = f"`{default:g}`" if isinstance(default, int | float) else f"`{default}`"
            assert said[names] == wanted, f"default of {names} of {heading}"
