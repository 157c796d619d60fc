"""Who the targets of alerts are: the ``CALLBOARD_ALERTS_*`` environment variables.

Read anew for each notification, so that a changed file holds for the next one and for those that are tried again.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from actors.alerts.errors import AlertsMisconfigured, UnknownTarget
from actors.alerts.payload import TARGET

PREFIX = "CALLBOARD_ALERTS_"

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://.+", re.DOTALL)


class AlertSettings(BaseSettings):
    """Where notifications are sent on to.

    Raises: pydantic.ValidationError, naming the field, when a value does not fit.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    targets: SecretStr | None = Field(None, description="JSON: name -> URL, or an object with url and severities")
    targets_file: Path | None = Field(None, description="file with the same")
    timeout_s: float = Field(20.0, gt=0, le=50, description="for one target's answer")


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    url: SecretStr
    severities: frozenset[str] = frozenset()

    @field_validator("url")
    @classmethod
    def _is_url(cls, value: SecretStr) -> SecretStr:
        if not _URL.fullmatch(value.get_secret_value()):
            raise ValueError("is no URL, such as discord://ID/TOKEN")
        return value


@dataclass(frozen=True, slots=True)
class Target:
    """Somebody who is told of alerts. ``severities``: of which only; empty: of all."""

    name: str
    url: SecretStr = field(repr=False)
    severities: frozenset[str] = frozenset()

    def wants(self, severity: str) -> bool:
        """Whether notifications of this severity are for it."""
        return not self.severities or severity in self.severities


@dataclass(frozen=True, slots=True)
class Targets:
    """All targets by name, and how long one may take to answer (seconds)."""

    by_name: dict[str, Target]
    timeout_s: float

    def __getitem__(self, name: str) -> Target:
        """The target of that name.

        Raises: UnknownTarget.
        """
        try:
            return self.by_name[name]
        except KeyError:
            known = ", ".join(self.by_name) or "none"
            raise UnknownTarget(f"there is no target {name!r} (any more); there are: {known}") from None


def load_targets() -> Targets:
    """The targets from the environment.

    Raises: AlertsMisconfigured naming the variable, and the target, that is wrong. No URL is in it.
    """
    try:
        settings = AlertSettings()
    except ValidationError as error:
        raise AlertsMisconfigured(_reasons(error)) from None
    if settings.targets is not None and settings.targets_file is not None:
        raise AlertsMisconfigured(f"{PREFIX}TARGETS and {PREFIX}TARGETS_FILE are both set: keep one of them")
    variable = "TARGETS" if settings.targets_file is None else "TARGETS_FILE"
    return Targets(_parsed(f"{PREFIX}{variable}", _text(settings)), settings.timeout_s)


def _text(settings: AlertSettings) -> str:
    if settings.targets_file is None:
        return settings.targets.get_secret_value() if settings.targets is not None else ""
    try:
        return settings.targets_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise AlertsMisconfigured(f"{PREFIX}TARGETS_FILE: {settings.targets_file} cannot be read: {reason}") from None


def _parsed(variable: str, text: str) -> dict[str, Target]:
    if not text.strip():
        return {}
    try:
        given: Any = json.loads(text)
    except ValueError:
        given = None  # what the parser says could show a part of it
    if not isinstance(given, dict):
        raise AlertsMisconfigured(
            f'{variable}: is not a JSON object of names and URLs, such as {{"ops": "discord://…"}}'
        )
    found = {}
    for name, value in given.items():
        if not re.fullmatch(TARGET, name):
            raise AlertsMisconfigured(f"{variable}: the name {name!r} is not 1 to 40 of a-z 0-9 _ -")
        try:
            described = _Described.model_validate({"url": value} if isinstance(value, str) else value)
        except ValidationError as error:
            raise AlertsMisconfigured(f"{variable}: target {name}: {_reasons(error)}") from None
        found[name] = Target(name, described.url, described.severities)
    return found


def _reasons(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in each['loc']) or 'it'}: {each['msg'].removeprefix('Value error, ')}"
        for each in found
    )
