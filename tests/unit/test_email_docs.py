"""The page for users names every field, setting and template there is."""

from __future__ import annotations

from pathlib import Path

from actors.email.payload import EmailPayload
from actors.email.rendering import template_names
from actors.email.settings import SmtpSettings

PAGE = (Path(__file__).parents[2] / "docs/job-types/email-notifications.md").read_text(encoding="utf-8")


def test_every_payload_field_is_documented() -> None:
    missing = [name for name in EmailPayload.model_fields if f"| `{name}` |" not in PAGE]
    assert not missing, f"fields missing in docs/job-types/email-notifications.md: {missing}"


def test_every_setting_is_documented() -> None:
    missing = [name for name in SmtpSettings.model_fields if f"`CALLBOARD_SMTP_{name.upper()}`" not in PAGE]
    assert not missing, f"settings missing in docs/job-types/email-notifications.md: {missing}"


def test_every_template_is_documented() -> None:
    missing = [name for name in template_names() if f"| `{name}` |" not in PAGE]
    assert not missing, f"templates missing in docs/job-types/email-notifications.md: {missing}"
