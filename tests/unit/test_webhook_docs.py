"""The page for users names every field, setting, method and event rule there is, with its default, and no other."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from actors.webhooks.payload import WebhookPayload
from actors.webhooks.registry import EndpointRegistry
from actors.webhooks.settings import PREFIX, WebhookSettings
from tests.support.webhooks import QUEUES

PAGE = (Path(__file__).parents[2] / "docs/job-types/webhook-delivery.md").read_text(encoding="utf-8")

#: First cell -> second cell of all rows that begin with code.
ROWS = dict(re.findall(r"^\| `([^|`]+?)` \| ([^|]*?) ?\|", PAGE, re.MULTILINE))

FIELDS = {f"{PREFIX}{name.upper()}": field.default for name, field in WebhookSettings.model_fields.items()}


def shown(default: Any) -> str | None:
    """How a default is written; None where words say it better than the value."""
    if default in (None, ""):
        return None
    if isinstance(default, str):
        return f"`{default}`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{json.dumps(default)}`"


@pytest.mark.parametrize("variable", FIELDS)
def test_every_setting_is_documented_with_its_default(variable: str) -> None:
    said = ROWS.get(variable)
    assert said is not None, f"docs/job-types/webhook-delivery.md has no row for {variable}"
    expected = shown(FIELDS[variable])
    assert expected is None or said == expected, f"the default of {variable} is {expected}, the page says {said}"


def test_no_setting_is_documented_that_is_not_there() -> None:
    assert {name for name in ROWS if name.startswith("CALLBOARD_")} == set(FIELDS)


def test_every_payload_field_is_documented_and_no_other() -> None:
    fields = {name for name in ROWS if re.fullmatch(r"[a-z_]+", name)}
    assert fields == set(WebhookPayload.model_fields)


def test_every_method_for_people_is_documented() -> None:
    public = {name for name, _ in inspect.getmembers(EndpointRegistry, inspect.isfunction) if not name.startswith("_")}
    missing = [name for name in public - {"look", "record"} if f"`{name}(" not in PAGE]
    assert not missing, f"methods missing in docs/job-types/webhook-delivery.md: {missing}"


def test_the_queue_is_the_one_of_the_page() -> None:
    assert [f"Queue `{name}`" in PAGE for name in QUEUES] == [True]
