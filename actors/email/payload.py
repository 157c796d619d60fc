"""What an email job may say. Anything else is refused at once, with the field and the reason.

The model is published to producers as JSON Schema, so what a schema can say is said there too; it never refuses what
the model takes. What it cannot say (the rules between fields, what is an address) is found in the worker.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainValidator,
    field_validator,
    model_validator,
)

from actors.email.recipients import CONTROL, MAX_WRITTEN, Mailbox, parse_mailbox

MAX_RECIPIENTS = 50
MAX_REPLY_TO = 10
MAX_ATTACHMENTS = 20
#: Decoded, all attachments of a job together. A queue's payload limit (256 KiB by default) usually bites first.
MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024
MAX_SUBJECT = 255
MAX_BODY = 1024 * 1024

#: Context name that templates find the message's own facts under (``mail.subject``, ``mail.unsubscribe_url`` …).
RESERVED_CONTEXT = "mail"

#: RFC 6838 section 4.2 says what a type and a subtype may be called.
_NAME = r"([a-z0-9][a-z0-9!#$&^_.+-]{0,63})"
_CONTENT_TYPE = re.compile(rf"{_NAME}/{_NAME}(?:; ?charset=([a-z0-9_.:-]{{1,40}}))?", re.IGNORECASE | re.ASCII)


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

#: An address as it is written by a producer, and as the model has it.
Written = Annotated[str, Field(min_length=1, max_length=MAX_WRITTEN)]
Recipient = Annotated[Mailbox, PlainValidator(parse_mailbox, json_schema_input_type=Written)]

#: One address or a list. The limits stand twice because the published schema is that of the written form.
Recipients = Annotated[
    list[Recipient],
    Field(max_length=MAX_RECIPIENTS),
    BeforeValidator(
        _as_list, json_schema_input_type=Written | Annotated[list[Written], Field(max_length=MAX_RECIPIENTS)]
    ),
]
SomeRecipients = Annotated[
    list[Recipient],
    Field(min_length=1, max_length=MAX_RECIPIENTS),
    BeforeValidator(
        _as_list,
        json_schema_input_type=Written | Annotated[list[Written], Field(min_length=1, max_length=MAX_RECIPIENTS)],
    ),
]
ReplyTo = Annotated[
    list[Recipient],
    Field(max_length=MAX_REPLY_TO),
    BeforeValidator(
        _as_list, json_schema_input_type=Written | Annotated[list[Written], Field(max_length=MAX_REPLY_TO)]
    ),
]


class _Strict(BaseModel):
    # Values are kept out of error messages: they are addresses and letters.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Attachment(_Strict):
    """One attached file."""

    filename: FileName = Field(description="shown to the recipient; no path")
    content_type: str = Field("application/octet-stream", description="type/subtype, for text also '; charset=…'")
    content_base64: str = Field(
        description="the bytes of the file in standard base64 (RFC 4648, section 4), without line breaks",
        json_schema_extra={"contentEncoding": "base64", "maxLength": 4 * -(-MAX_ATTACHMENT_BYTES // 3)},
    )

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
    """How a recipient leaves the list: List-Unsubscribe (RFC 2369), one click when a URL is given (RFC 8058)."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

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
    """One email. It needs template, or text, html or both; without a template also a subject. Context goes with a
    template only. To, cc and bcc name 50 recipients at most together; attachments have 10 MiB together."""

    to: SomeRecipients = Field(description="one address or a list; name@domain or Name <name@domain>")
    cc: Recipients = Field(default_factory=list, description="get a copy, seen by all")
    bcc: Recipients = Field(default_factory=list, description="get a copy, seen by nobody")
    reply_to: ReplyTo = Field(default_factory=list, description="where answers go instead of From")
    subject: Subject | None = Field(None, description="one line; default: the template's")
    template: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,63}$", description="name of a template")
    context: dict[str, JsonValue] = Field(default_factory=dict, description="values for the template")
    text: str | None = Field(None, min_length=1, max_length=MAX_BODY, description="plain body; default: made from html")
    html: str | None = Field(None, min_length=1, max_length=MAX_BODY, description="HTML body; its <style> is inlined")
    attachments: list[Attachment] = Field(
        default_factory=list, max_length=MAX_ATTACHMENTS, description="files; 10 MiB together, decoded"
    )
    unsubscribe: Unsubscribe | None = Field(None, description="how a recipient leaves the list")
    workspace: Name | None = Field(None, description="tenant, for the log; default: the job's")

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
