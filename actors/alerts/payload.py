"""What a job says: one notification for one target, named and never by its URL."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

#: Names of targets. They are part of job ids.
TARGET = r"^[a-z0-9][a-z0-9_-]{0,39}$"

#: Alerts of a notification that are listed, those that fire first; the rest are counted.
MOST_LISTED = 20

#: Characters of their texts. A notification of full length in any script stays within what a job may hold (256 KiB).
MOST_SUMMARY, MOST_DESCRIPTION, MOST_URL = 300, 700, 500

_MODEL = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ListedAlert(BaseModel):
    """One alert of a notification."""

    model_config = _MODEL

    status: Literal["firing", "resolved"]
    summary: str = Field(max_length=MOST_SUMMARY)
    description: str = Field("", max_length=MOST_DESCRIPTION)
    runbook_url: str = Field("", max_length=MOST_URL)
    dashboard_url: str = Field("", max_length=MOST_URL)
    since: AwareDatetime


class AlertPayload(BaseModel):
    """One notification of Alertmanager's for one target."""

    model_config = _MODEL

    target: str = Field(pattern=TARGET, description="name of the target")
    status: Literal["firing", "resolved"]
    severity: str = Field("", max_length=100)
    alertname: str = Field(max_length=500)
    queue: str = Field("", max_length=200)
    group: str = Field(max_length=64, description="the same for all notifications of a group of alerts")
    firing: int = Field(ge=0, description="alerts of the group that fire")
    resolved: int = Field(ge=0, description="alerts of the group that have ended since the last notification")
    alerts: list[ListedAlert] = Field(max_length=MOST_LISTED)
    alertmanager_url: str = Field("", max_length=2_048)
