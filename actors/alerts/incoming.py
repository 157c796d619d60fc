"""What Alertmanager posts to its webhook receivers: version 4 of the message, as 0.25 and later send it.

Further fields may come with later versions and are left alone; what is here must be as it says.
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

#: Alerts of one message; deploy/alertmanager has it send fewer.
MOST_ALERTS = 1_000

_Name = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
_Pairs = dict[_Name, str]

_STRICT = ConfigDict(frozen=True, hide_input_in_errors=True, extra="ignore")


class IncomingAlert(BaseModel):
    """One alert of a group."""

    model_config = _STRICT

    status: Literal["firing", "resolved"]
    labels: _Pairs
    annotations: _Pairs = Field(default_factory=dict)
    starts_at: AwareDatetime = Field(alias="startsAt")
    fingerprint: str = Field(max_length=64)


class IncomingGroup(BaseModel):
    """One notification: the alerts of a group that are told together."""

    model_config = _STRICT

    version: Literal["4"]
    group_key: str = Field(alias="groupKey", min_length=1, max_length=16_384)
    status: Literal["firing", "resolved"]
    group_labels: _Pairs = Field(alias="groupLabels")
    common_labels: _Pairs = Field(default_factory=dict, alias="commonLabels")
    external_url: str = Field("", alias="externalURL", max_length=2_048)
    truncated_alerts: int = Field(0, alias="truncatedAlerts", ge=0)
    alerts: list[IncomingAlert] = Field(min_length=1, max_length=MOST_ALERTS)
