"""Where and how to send: the ``CALLBOARD_SMTP_*`` environment variables."""

from __future__ import annotations

import ipaddress
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from actors.email.recipients import Mailbox, parse_mailbox
from callboard.errors import PermanentError

#: RFC 5321 (25), RFC 6409 (587, submission), RFC 8314 (465, submission over implicit TLS).
_USUAL_PORT = {"none": 25, "starttls": 587, "tls": 465}

_DOMAIN = r"^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"


def _is_mailbox(value: str) -> str:
    parse_mailbox(value)
    return value


class SmtpSettings(BaseSettings):
    """How to reach the SMTP server, and who the sender is. Host and sender have no default: guessing them is no use.

    Raises: pydantic.ValidationError, naming the field, when a value is missing or does not fit.
    """

    # A value is not repeated in the error: it may be the password.
    model_config = SettingsConfigDict(
        env_prefix="CALLBOARD_SMTP_", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    host: str = Field(min_length=1, description="name or address of the SMTP server")
    port: int | None = Field(None, ge=1, le=65535, description="default: 25 without TLS, 587 for starttls, 465 for tls")
    tls: Literal["none", "starttls", "tls"] = Field("starttls", description="starttls never falls back to plain text")
    username: str | None = Field(None, description="log in with this name; none: no login")
    password: SecretStr | None = Field(None, description="sent only over TLS, or to this machine itself")
    sender: Annotated[str, AfterValidator(_is_mailbox)] = Field(description="From: name@domain or Name <name@domain>")
    timeout_s: float = Field(20.0, gt=0, le=600, description="how long to wait for one reply of the server")
    message_id_domain: str | None = Field(None, pattern=_DOMAIN, description="default: the domain of the sender")
    helo_name: str | None = Field(None, pattern=_DOMAIN, description="how we greet; default: this host's name")
    ca_file: FilePath | None = Field(None, description="PEM; trust these authorities instead of the system's")

    @model_validator(mode="after")
    def _login_is_whole_and_safe(self) -> SmtpSettings:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together: set both or none")
        if not (self.username or "").isascii() or (self.password and not self.password.get_secret_value().isascii()):
            raise ValueError("username and password must be ASCII")  # smtplib cannot send others
        if self.password is not None and self.tls == "none" and not is_loopback(self.host):
            raise ValueError("a password is not sent without TLS: set tls to starttls or tls, or remove the password")
        return self

    @cached_property
    def sender_mailbox(self) -> Mailbox:
        """The sender, parsed."""
        return parse_mailbox(self.sender)

    @property
    def port_in_effect(self) -> int:
        """The port that is set, or the usual one for the kind of TLS."""
        return self.port if self.port is not None else _USUAL_PORT[self.tls]

    @property
    def id_domain(self) -> str:
        """The part after the @ of Message-IDs."""
        return self.message_id_domain or self.sender_mailbox.address.rpartition("@")[2]


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine by its very name, without asking DNS (whose answer could be forged)."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def load_smtp_settings() -> SmtpSettings:
    """The settings from the environment.

    Raises: PermanentError naming the variable that is missing or wrong: another attempt would read the same ones.
    """
    try:
        return SmtpSettings()
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
    reasons = []
    for each in found:
        variable = "CALLBOARD_SMTP_" + "_".join(str(part) for part in each["loc"]).upper() if each["loc"] else ""
        reason = "is not set" if each["type"] == "missing" else each["msg"].removeprefix("Value error, ")
        reasons.append(f"{variable}: {reason}" if variable else reason)
    raise PermanentError("email is not configured: " + "; ".join(reasons))
