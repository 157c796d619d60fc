"""What an email job may say. Anything else is refused at once, with the field and the reason."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from actors.email.recipients import CONTROL, Mailbox, parse_mailbox, without_addresses
from callboard.errors import PermanentError

MAX_RECIPIENTS = 50
MAX_ATTACHMENTS = 20
#: Decoded, all attachments of a job together. A queue's payload limit (256 KiB by default) usually bites first.
MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024
MAX_SUBJECT = 255
MAX_BODY = 1024 * 1024

#: Context name that templates find the message's own facts under (``mail.subject``, ``mail.unsubscribe_url`` …).
RESERVED_CONTEXT = "mail"

#: RFC 6838 section 4.2 says what a type and a subtype may be called.
_NAME = r"([a-z0-9][a-z0-9!#$&^_.+-]{0,63})"
_CONTENT_TYPE = re.compile(rf"{_NAME}/{_NAME}(?:; ?charset=([a-z0-9_.:-]{{1,40}}))?", re.IGNORECASE)


def _one_line(value: str) -> str:
    if CONTROL.search(value):
        raise ValueError("must not contain line breaks or other control characters")
    return value


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | Mailbox) else value


FileName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Uri = Annotated[str, Field(min_length=1, max_length=900), AfterValidator(_one_line)]
Subject = Annotated[str, Field(min_length=1, max_length=MAX_SUBJECT), AfterValidator(_one_line)]
Name = Annotated[str, Field(min_length=1, max_length=128), AfterValidator(_one_line)]
Recipient = Annotated[Mailbox, PlainValidator(parse_mailbox, json_schema_input_type=str)]
Recipients = Annotated[list[Recipient], BeforeValidator(_as_list, json_schema_input_type=str | list[str])]


class _Strict(BaseModel):
    # Values are kept out of error messages: they are addresses and letters.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Attachment(_Strict):
    """One attached file."""

    filename: FileName = Field(description="shown to the recipient; no path")
    content_type: str = Field("application/octet-stream", description="type/subtype, for text also '; charset=…'")
    content_base64: str = Field(description="the bytes of the file in standard base64")

    @field_validator("filename")
    @classmethod
    def _no_path(cls, name: str) -> str:
        if "/" in name or "\\" in name or name in {".", ".."}:
            raise ValueError("must be a file name without a path")
        return name

    @field_validator("content_type")
    @classmethod
    def _plain_type(cls, value: str) -> str:
        match = _CONTENT_TYPE.fullmatch(value)
        if match is None:
            raise ValueError("must be type/subtype, such as application/pdf")
        if match[1].lower() in {"multipart", "message"}:
            raise ValueError("multipart and message types cannot be attached: use application/octet-stream")
        if match[3] and match[1].lower() != "text":
            raise ValueError("only a text type has a charset")
        return value

    @field_validator("content_base64")
    @classmethod
    def _decodable(cls, value: str) -> str:
        if len(value) * 3 // 4 > MAX_ATTACHMENT_BYTES + 2:
            raise ValueError(f"decodes to more than {MAX_ATTACHMENT_BYTES} bytes")
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("is not standard base64 (alphabet + and /, with padding, without line breaks)") from None
        return value

    @property
    def content(self) -> bytes:
        """The bytes of the file."""
        return base64.b64decode(self.content_base64, validate=True)

    @property
    def mime(self) -> tuple[str, str, str | None]:
        """Type, subtype and charset (None: not said), in lower case."""
        match = _CONTENT_TYPE.fullmatch(self.content_type)
        assert match is not None  # validated above
        return match[1].lower(), match[2].lower(), match[3].lower() if match[3] else None


class Unsubscribe(_Strict):
    """How a recipient leaves the list: ``List-Unsubscribe`` (RFC 2369), one click when a URL is given (RFC 8058)."""

    url: Uri | None = Field(None, description="https; a POST to it must unsubscribe without asking")
    mailto: Uri | None = Field(None, description="address or mailto: URI; mail to it unsubscribes")

    @field_validator("url")
    @classmethod
    def _https(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if parts.scheme.lower() != "https" or not parts.hostname:
            raise ValueError("must be an https URL (RFC 8058, section 3.1)")
        return _uri(url)

    @field_validator("mailto")
    @classmethod
    def _mailto(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.lower().startswith("mailto:"):
            return f"mailto:{parse_mailbox(value).address}"
        parse_mailbox(value[len("mailto:") :].partition("?")[0])
        return _uri(value)

    @model_validator(mode="after")
    def _something(self) -> Unsubscribe:
        if self.url is None and self.mailto is None:
            raise ValueError("needs url, mailto or both")
        return self


def _uri(value: str) -> str:
    if not value.isascii() or re.search(r"[\s<>,\"]", value):
        raise ValueError('must be percent-encoded: no spaces, commas, quotes, "<", ">" or non-ASCII characters')
    return value


class EmailPayload(_Strict):
    """The keyword arguments of ``send_email``."""

    to: Recipients = Field(min_length=1, description="one address or a list; name@domain or Name <name@domain>")
    cc: Recipients = Field(default_factory=list, description="get a copy, seen by all")
    bcc: Recipients = Field(default_factory=list, description="get a copy, seen by nobody")
    reply_to: Recipients = Field(default_factory=list, max_length=10, description="where answers go instead of From")
    subject: Subject | None = Field(None, description="default: the template's")
    template: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,63}$", description="a folder of email/templates")
    context: dict[str, JsonValue] = Field(default_factory=dict, description="values for the template")
    text: str | None = Field(None, min_length=1, max_length=MAX_BODY, description="plain body; default: made from html")
    html: str | None = Field(None, min_length=1, max_length=MAX_BODY, description="HTML body; its <style> is inlined")
    attachments: list[Attachment] = Field(default_factory=list, max_length=MAX_ATTACHMENTS)
    unsubscribe: Unsubscribe | None = None
    workspace: Name | None = Field(None, description="tenant, for the log only")

    @model_validator(mode="after")
    def _fits_together(self) -> EmailPayload:
        if (count := len(self.recipients)) > MAX_RECIPIENTS:
            raise ValueError(f"to, cc and bcc name {count} recipients; at most {MAX_RECIPIENTS} are allowed")
        if self.template is not None and (self.text is not None or self.html is not None):
            raise ValueError("give either template or text/html, not both")
        if self.template is None and self.text is None and self.html is None:
            raise ValueError("nothing to say: give template, text or html")
        if self.template is None and self.subject is None:
            raise ValueError("subject is required unless a template brings one")
        if self.template is None and self.context:
            raise ValueError("context is only of use together with template")
        if RESERVED_CONTEXT in self.context:
            raise ValueError(f"context must not use {RESERVED_CONTEXT!r}: templates find the message's own facts there")
        if (size := sum(len(each.content) for each in self.attachments)) > MAX_ATTACHMENT_BYTES:
            raise ValueError(f"attachments have {size} bytes together; at most {MAX_ATTACHMENT_BYTES} are allowed")
        return self

    @property
    def recipients(self) -> dict[str, str]:
        """Everybody who gets a copy, each once: hash -> address for the envelope, in order of appearance."""
        everybody: dict[str, str] = {}
        for mailbox in (*self.to, *self.cc, *self.bcc):
            everybody.setdefault(mailbox.hash, mailbox.address)
        return everybody


def parse_payload(arguments: Mapping[str, Any]) -> EmailPayload:
    """The keyword arguments of a job as an ``EmailPayload``.

    Raises: PermanentError naming each field that does not fit and why, never its value.
    """
    try:
        return EmailPayload.model_validate(dict(arguments))
    except ValidationError as error:
        reason = "payload refused: " + "; ".join(_reasons(error))
    raise PermanentError(reason)  # outside the except block: the chained error would show the values


def _reasons(error: ValidationError) -> list[str]:
    reasons = []
    for each in error.errors(include_url=False, include_input=False, include_context=False):
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in each["loc"]).lstrip(".")
        message = each["msg"].removeprefix("Value error, ")
        # The name of a field that is not allowed can be anything, an address too.
        reasons.append(f"{without_addresses(field)}: {message}" if field else message)
    return reasons
