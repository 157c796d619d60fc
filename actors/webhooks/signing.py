"""Standard Webhooks: secrets and signatures (https://www.standardwebhooks.com, specification 1.0.0).

Signed is ``{webhook-id}.{webhook-timestamp}.{body}`` with HMAC-SHA256; ``v1,`` and the base64 of it is the signature.
There may be several, separated by spaces: while a secret is being replaced, the old and the new one both sign.

Written here and not taken from the ``standardwebhooks`` package: it is a few lines, and so the package can be the
independent judge of them in the tests.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as random
from collections.abc import Sequence

from actors.webhooks.errors import EndpointInvalid

PREFIX = "whsec_"

#: Random bytes of a new secret, and what the specification allows.
_NEW_BYTES, _LEAST_BYTES, _MOST_BYTES = 32, 24, 64


def new_secret() -> str:
    """A fresh secret: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(random.token_bytes(_NEW_BYTES)).decode()


def check_secret(secret: str) -> str:
    """``secret`` if it is one.

    Raises: EndpointInvalid, never quoting it.
    """
    try:
        key = _key(secret) if secret.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise EndpointInvalid(
            f"secret: must be {PREFIX} and the standard base64 of {_LEAST_BYTES} to {_MOST_BYTES} random bytes"
        )
    return secret


def signed_headers(webhook_id: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers that let the receiver know who sent ``body``, and when.

    Args:
        timestamp: of this attempt (seconds since the epoch).
        secrets: those in force, newest first; each signs.
    """
    content = f"{webhook_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(secret, content) for secret in secrets),
    }


def _signature(secret: str, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(_key(secret), content, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
