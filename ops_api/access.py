"""Who may ask: machines with a token of their own, and programs of this machine.

The address of a caller is that of its connection. What a proxy says of whom it speaks for (``X-Forwarded-For`` and its
kin) opens nothing: it can be made up. It closes something, though: a request that came through a proxy on this machine
is not one of this machine. A proxy that says nothing of the kind is taken for a program of this machine, which it is.
"""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address, ip_address

from flask import Request, request
from pydantic import SecretStr
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

#: Headers of requests that somebody passed on (RFC 7239, RFC 9110, and what is used besides), and how others begin.
_PASSED_ON = {"forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"}
_PASSED_ON_TOO = "x-forwarded-"


def check_token(token: SecretStr | None, *, setting: str, loopback_always: bool) -> None:
    """Let the present request through if it has the bearer token (RFC 6750), or comes from this machine.

    A wrong token is refused from everywhere.

    Args:
      token: what is to be shown; None when none is configured: then only this machine may ask.
      setting: the environment variable of the token, for whoever is refused.
      loopback_always: whether this machine may do without, although a token is configured.

    Raises: Unauthorized.
    """
    shown = request.headers.get("Authorization", "")
    scheme, _, credentials = shown.partition(" ")
    if token is not None and shown:
        # Bytes: text beyond ASCII cannot be compared in constant time.
        if scheme.lower() == "bearer" and hmac.compare_digest(
            credentials.strip().encode(), token.get_secret_value().encode()
        ):
            return
        raise _refused(f"the token is not the one of {setting}")
    if is_local(request) and (token is None or loopback_always):
        return
    if token is None:
        raise _refused(f"without a token only this machine itself may ask: set {setting}, or {setting}_FILE")
    raise _refused(f"send the token of {setting} as Authorization: Bearer …")


def is_local(asked: Request) -> bool:
    """Whether a program of this machine asks, and speaks for itself.

    A stranger's page in a browser of this machine does not count: browsers say ``Origin`` when a page sends something
    or asks across sites, and the name of the page's own host when that was made to point here (DNS rebinding).
    """
    names = {name.lower() for name, _ in asked.headers}
    if "origin" in names or names & _PASSED_ON or any(name.startswith(_PASSED_ON_TOO) for name in names):
        return False
    if asked.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return False
    return _is_loopback(asked.remote_addr or "") and _is_own_name(asked.headers.get("Host", ""))


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False  # a Unix socket has none
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def _is_own_name(host: str) -> bool:
    """An address, or a name that no DNS server of a stranger gives: one without a dot, or under ``localhost``."""
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    try:
        ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(".localhost")
    return True


def _refused(why: str) -> Unauthorized:
    return Unauthorized(why, www_authenticate=WWWAuthenticate("bearer", {"realm": "callboard"}))
