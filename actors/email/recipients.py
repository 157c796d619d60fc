"""Addresses: parsing them, and the hash that stands for one wherever people read along."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from email.headerregistry import Address

from email_validator import EmailNotValidError, validate_email

#: What looks like an address inside a server's reply or another library's message.
_ADDRESS_IN_TEXT = re.compile(r"[^\s<>()\[\]{},;:\"'|=]+@[^\s<>()\[\]{},;:\"'|=]+")

#: Line breaks would start a new header; the other control characters have no business in one either.
CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")

_NAMED = re.compile(r"(?P<name>[^<>]*?)\s*<(?P<address>[^<>]+)>")

#: RFC 5321 4.5.3.1.3 allows a path of 256 characters, its angle brackets included.
_MAX_ADDRESS = 254
_MAX_DISPLAY_NAME = 128
#: Both as they are written, with quotes, escapes and space; nothing longer is looked at.
MAX_WRITTEN = 1_000


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An address that can be put into an envelope (ASCII; an international domain in its A-label form) and its name."""

    address: str
    name: str = ""

    @property
    def hash(self) -> str:
        """What stands for this mailbox in logs, errors, results and kept state."""
        return recipient_hash(self.address)

    @property
    def header(self) -> Address:
        """The form that the standard library's header classes take."""
        return Address(display_name=self.name, addr_spec=self.address)

    def __repr__(self) -> str:
        return f"Mailbox({self.hash})"  # a traceback with locals must not show the address


def recipient_hash(address: str) -> str:
    """A short name for an address: the same for every spelling of it, and not readable.

    It hides the address from a reader of logs; it is no secret, since a guessed address can be hashed and compared.

    Returns: the first 12 hex digits of the SHA-256 of the address in NFC, lower case, without surrounding space.
    """
    normalised = unicodedata.normalize("NFC", address.strip()).lower()
    return hashlib.sha256(normalised.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def without_addresses(text: str) -> str:
    """``text`` with everything that looks like an address replaced by its hash; servers like to quote the recipient."""
    return _ADDRESS_IN_TEXT.sub(lambda found: f"[{recipient_hash(found.group().rstrip('.'))}]", text)


def parse_mailbox(value: object) -> Mailbox:
    """``name@domain`` or ``Name <name@domain>`` as a ``Mailbox``.

    ``.test``, ``.internal`` and a bare host name are allowed: company mail servers use them.

    Raises: ValueError, never quoting the value.
    """
    if isinstance(value, Mailbox):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a string: name@domain or Name <name@domain>")
    if len(value) > MAX_WRITTEN:
        raise ValueError(f"is longer than {MAX_WRITTEN} characters")
    if CONTROL.search(value):
        raise ValueError("must not contain line breaks or other control characters")
    # The name is split off here: email-validator wants names with a dot, a comma or an umlaut in quotes; people do not.
    named = _NAMED.fullmatch(value.strip())
    written_name, written = (named["name"], named["address"]) if named else ("", value.strip())
    try:
        found = validate_email(
            written,
            check_deliverability=False,  # a DNS question does not belong into validation
            allow_smtputf8=False,
            globally_deliverable=False,
            test_environment=True,
        )
    except EmailNotValidError:
        # The library's reason may quote parts of the address, so it is not passed on.
        raise ValueError("is not an address of the form name@domain or Name <name@domain>, ASCII before @") from None
    address = found.ascii_email
    if address is None or len(address) > _MAX_ADDRESS:
        raise ValueError(f"is longer than {_MAX_ADDRESS} characters")
    name = " ".join(_unquoted(written_name).split())
    if len(name) > _MAX_DISPLAY_NAME:
        raise ValueError(f"has a display name longer than {_MAX_DISPLAY_NAME} characters")
    return Mailbox(address=address, name=name)


def _unquoted(name: str) -> str:
    """A display name without the quotes of a quoted-string (RFC 5322, 3.2.4), if it has them."""
    if len(name) >= 2 and name[0] == name[-1] == '"':
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return name
