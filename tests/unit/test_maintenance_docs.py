"""The page for users names every actor, every field of a payload with its default, and every field of a report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import dramatiq
import pytest

import actors.maintenance
from actors.upkeep.cleaning import LOCK_MS
from actors.upkeep.payload import CleanPolicy
from callboard.health import SILENCE_MS, STATUSES
from callboard.verbs.reports import KEPT, KEPT_MS, QueueReport

PAGE = (Path(__file__).parents[2] / "docs/job-types/maintenance.md").read_text(encoding="utf-8")


def test_every_actor_is_documented() -> None:
    names = [each.actor_name for each in vars(actors.maintenance).values() if isinstance(each, dramatiq.Actor)]
    assert len(names) == 4
    assert not [name for name in names if f"| `{name}` |" not in PAGE]


@pytest.mark.parametrize("name", CleanPolicy.model_fields)
def test_every_payload_field_is_documented_with_its_default(name: str) -> None:
    default = CleanPolicy.model_fields[name].default
    shown = {None: "", False: "`false` |"}.get(default, f"{json.dumps(default)} |")
    assert f"| `{name}` | {shown}" in PAGE


def test_every_field_of_a_report_and_every_status_is_documented() -> None:
    names = [field.name for field in dataclasses.fields(QueueReport)]
    assert not [name for name in (*names, *STATUSES) if f"`{name}`" not in PAGE]


def test_the_numbers_are_right() -> None:
    assert f"kept for {KEPT_MS // 3_600_000} hours, at most {KEPT:,}" in PAGE
    assert f"The lock is held for {LOCK_MS // 1_000} seconds" in PAGE
    assert f"within the last {SILENCE_MS // 1_000} seconds" in PAGE


def test_every_job_can_be_added_without_a_payload() -> None:
    for each in vars(actors.maintenance).values():
        if isinstance(each, dramatiq.Actor):
            each.options["payload"].model_validate({})
