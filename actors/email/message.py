"""One RFC 5322 message from a payload and its rendered content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email._header_value_parser import TokenList
from email.header import Header
from email.headerregistry import BaseHeader, HeaderRegistry
from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy, Policy
from typing import Any, ClassVar, Literal

from actors.email.payload import EmailPayload, Unsubscribe
from actors.email.recipients import Mailbox
from actors.email.rendering import Content


class _Prepared(BaseHeader):
    """A header whose lines are written here, because the standard library folds them wrongly.

    Seen on Python 3.11: a space more or less where an encoded name is folded, text that merely looks like an encoded
    word decoded, and a long URI encoded as if it were prose, which breaks the link.
    """

    max_count: ClassVar[Literal[1]] = 1
    _lines: Sequence[str]

    # The base class calls it with what parse() put together.
    def init(self, name: str, *, lines: Sequence[str], **others: Any) -> None:  # type: ignore[override]
        super().init(name, parse_tree=TokenList(), **others)
        self._lines = lines

    def fold(self, *, policy: Policy[Any]) -> str:
        return f"{self.name}: " + f"{policy.linesep} ".join(self._lines) + policy.linesep


class _Subject(_Prepared):
    @classmethod
    def parse(cls, value: str, parts: dict[str, Any]) -> None:
        parts.update(decoded=value, lines=_encoded(value) if _needs_encoding(value) else [value])


class _Mailboxes(_Prepared):
    @classmethod
    def parse(cls, value: Sequence[Mailbox], parts: dict[str, Any]) -> None:
        lines = []
        for mailbox in value:
            if _needs_encoding(mailbox.name):
                lines += [*_encoded(mailbox.name), f"<{mailbox.address}>,"]
            else:
                lines.append(f"{mailbox.header},")
        lines[-1] = lines[-1].removesuffix(",")
        parts.update(decoded=", ".join(str(mailbox.header) for mailbox in value), lines=lines)


class _UriList(_Prepared):
    @classmethod
    def parse(cls, value: Sequence[str], parts: dict[str, Any]) -> None:
        text = [f"<{uri}>" for uri in value]
        parts.update(decoded=", ".join(text), lines=[*(f"{each}," for each in text[:-1]), text[-1]])


def _needs_encoding(text: str) -> bool:
    return not text.isascii() or "=?" in text


def _encoded(text: str) -> list[str]:
    """``text`` as RFC 2047 encoded words, one a line; readers drop the line breaks between them."""
    # 60 characters: lines stay below 78 together with a header's name and a bracket or two.
    return Header(text, "utf-8", maxlinelen=60).encode(linesep="\n").split("\n ")


def _policy() -> EmailPolicy[EmailMessage]:
    registry = HeaderRegistry()
    registry.map_to_type("subject", _Subject)
    registry.map_to_type("list-unsubscribe", _UriList)
    for name in ("from", "to", "cc", "reply-to"):
        registry.map_to_type(name, _Mailboxes)
    # 7 bit: it passes every server, 8BITMIME or not, and signatures survive relays.
    return SMTP.clone(header_factory=registry, cte_type="7bit")


def build_message(
    payload: EmailPayload, content: Content, *, sender: Mailbox, message_id: str, date: datetime
) -> EmailMessage:
    """The message as it goes out. Bcc recipients are in the envelope only.

    Args:
        message_id: with angle brackets.
        date: aware.
    """
    message = EmailMessage(policy=_policy())
    message["From"] = [sender]
    message["To"] = payload.to
    if payload.cc:
        message["Cc"] = payload.cc
    if payload.reply_to:
        message["Reply-To"] = payload.reply_to
    message["Subject"] = content.subject
    message["Date"] = date
    message["Message-ID"] = message_id
    # RFC 3834: asks out-of-office responders to stay quiet.
    message["Auto-Submitted"] = "auto-generated"
    if payload.unsubscribe is not None:
        _add_unsubscribe(message, payload.unsubscribe)

    message.set_content(content.text)
    if content.html is not None:
        message.add_alternative(content.html, subtype="html")
    for attachment in payload.attachments:
        main, sub, charset = attachment.mime
        params = {"charset": charset} if charset else {}
        message.add_attachment(
            attachment.content, maintype=main, subtype=sub, filename=attachment.filename, params=params
        )
    return message


def _add_unsubscribe(message: EmailMessage, unsubscribe: Unsubscribe) -> None:
    message["List-Unsubscribe"] = [uri for uri in (unsubscribe.url, unsubscribe.mailto) if uri is not None]
    if unsubscribe.url is not None:
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058, section 3.1
