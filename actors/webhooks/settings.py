"""What deployments decide about webhooks: the ``CALLBOARD_WEBHOOK_*`` environment variables."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field, FilePath, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from actors.webhooks.addresses import AddressPolicy, Allowed
from callboard.errors import PermanentError

PREFIX = "CALLBOARD_WEBHOOK_"


def _parts(text: str) -> list[str]:
    return [part for part in (each.strip() for each in text.split(",")) if part]


def _is_allowlist(text: str) -> str:
    for part in _parts(text):
        Allowed.parse(part)
    return text


def _is_ports(text: str) -> str:
    if not _parts(text) or not all(part.isdecimal() and 1 <= int(part) <= 65535 for part in _parts(text)):
        raise ValueError("is not a list of port numbers, such as 443,8443")
    return text


class WebhookSettings(BaseSettings):
    """How events are delivered, and where to. The defaults are safe for URLs that strangers give.

    Raises: pydantic.ValidationError, naming the field, when a value does not fit.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    timeout_s: float = Field(15.0, gt=0, le=300, description="from looking up the name to the endpoint's answer")
    connect_timeout_s: float = Field(5.0, gt=0, le=300, description="of it, for the connection, TLS included")
    allow: Annotated[str, AfterValidator(_is_allowlist)] = Field(
        "", description="NETWORK/BITS:PORT or NETWORK/BITS:*, comma-separated: allowed although not public"
    )
    ports: Annotated[str, AfterValidator(_is_ports)] = Field("80,443", description="ports of public addresses")
    allow_http: bool = Field(False, description="speak http to public addresses as well")
    ca_file: FilePath | None = Field(None, description="PEM; trust these authorities besides the system's")
    body_max_bytes: int = Field(256 * 1024, ge=1, description="larger bodies are not sent")
    answer_max_bytes: int = Field(16 * 1024, ge=0, description="no more of an answer's body is read")
    retry_after_max_s: float = Field(3600.0, ge=0, description="the longest wait that an endpoint may ask for")
    slow_down: float = Field(10.0, ge=1, description="after 429, 502, 504: so many times the queue's usual wait")
    disable_after_days: float = Field(5.0, gt=0, description="of failures only, then the endpoint is disabled")
    endpoints_max: int = Field(100, ge=1, le=1000, description="endpoints of one workspace")

    @cached_property
    def policy(self) -> AddressPolicy:
        """Which addresses may be connected to."""
        return AddressPolicy(
            ports=frozenset(int(part) for part in _parts(self.ports)),
            plain_http=self.allow_http,
            allowed=tuple(Allowed.parse(part) for part in _parts(self.allow)),
        )

    @property
    def disable_after_ms(self) -> int:
        """``disable_after_days`` in milliseconds."""
        return int(self.disable_after_days * 24 * 3600 * 1000)


def load_webhook_settings() -> WebhookSettings:
    """The settings from the environment.

    Raises: PermanentError naming the variable that is wrong: another attempt would read the same ones.
    """
    try:
        return WebhookSettings()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
    reasons = [f"{PREFIX}{str(each['loc'][0]).upper()}: {each['msg'].removeprefix('Value error, ')}" for each in found]
    raise PermanentError("webhooks are not configured: " + "; ".join(reasons))
