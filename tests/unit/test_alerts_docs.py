"""The page for users names every field of the job, and the settings have a row each (tests/unit/test_docs.py)."""

from __future__ import annotations

import json
import re

import pytest

from actors.alerts import wording
from actors.alerts.payload import MOST_LISTED, AlertPayload, ListedAlert
from actors.alerts.publishing import ACTOR, QUEUE, SAME_S
from actors.alerts.services import _BRIEF, _SHORT
from actors.alerts.settings import load_targets
from tests.support.alert_jobs import payload
from tests.support.process import ROOT

PAGE = (ROOT / "docs/job-types/alerts.md").read_text(encoding="utf-8")

#: What the section of a heading holds.
SECTIONS = dict(zip(*[iter(re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)[1:])] * 2, strict=True))


def test_every_payload_field_is_documented_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| \w+ \| (.*) \|$", SECTIONS["Payload"], re.MULTILINE))
    assert set(rows) == set(AlertPayload.model_fields)
    assert all(f"`{name}`" in rows["alerts"] for name in ListedAlert.model_fields)


def test_the_example_of_targets_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    [example] = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.delenv("CALLBOARD_ALERTS_TARGETS_FILE", raising=False)
    monkeypatch.setenv("CALLBOARD_ALERTS_TARGETS", example)
    assert list(load_targets().by_name) == list(json.loads(example))


def test_numbers_and_names_of_the_page_are_those_of_the_code() -> None:
    assert f"Queue `{QUEUE}`, actor `{ACTOR}`" in PAGE
    assert f"At most {MOST_LISTED} alerts" in PAGE
    assert f"shorter than {_BRIEF:,}\ncharacters" in PAGE
    assert f"at most {_SHORT} characters" in PAGE
    assert SAME_S == 30 * 60
    assert "within half an hour" in PAGE


def test_the_example_of_a_message_has_the_form_of_a_real_one() -> None:
    said = payload("chat")
    real = f"{wording.title(said)}\n{wording.text(said)}".splitlines()
    shown = re.findall(r"^    (.+)$", SECTIONS["What people read"], re.MULTILINE)
    assert len(shown) == len(real)
    for number in (0, 1, 3, 4, 5):
        assert shown[number] == real[number]
