"""Where Redis is, from a URL.

::

    redis://[user:password@]host[:port][/db]          one server; rediss:// with TLS, unix:///path a socket
    redis+sentinel://[user:password@]host[:port],…/service[/db]
    redis+cluster://[user:password@]host[:port],…

Parameters that may follow ``?``: ``tls=true`` (Sentinel and Cluster), with TLS ``ssl_ca_certs``, ``ssl_certfile``,
``ssl_keyfile``, ``ssl_cert_reqs``, ``ssl_check_hostname``; ``client_name``; ``db`` for one server. Others are refused:
how replies are decoded, how often calls are repeated and how long they wait is the engine's to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_SCHEMES: dict[str, Literal["one", "sentinel", "cluster"]] = {
    "redis": "one", "rediss": "one", "unix": "one", "redis+sentinel": "sentinel", "redis+cluster": "cluster",
}  # fmt: skip

_TEXTS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "client_name"}
_SWITCHES = {"ssl_check_hostname", "tls"}
_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed URL. ``options`` are redis-py's: db, username, password, TLS. For one server ``url`` says where."""

    kind: Literal["one", "sentinel", "cluster"]
    url: str = field(repr=False)
    nodes: tuple[tuple[str, int], ...] = ()
    service: str = ""
    options: dict[str, Any] = field(default_factory=dict, repr=False)


def parse_address(url: str) -> Address:
    """Read a URL.

    Raises: ValueError, saying what is wrong without repeating a password.
    """
    try:
        parts = urlsplit(url)
        if "," not in parts.netloc:
            _ = parts.port
    except ValueError as error:
        raise ValueError("a host, a port or a bracket is wrong") from error
    kind = _SCHEMES.get(parts.scheme)
    if kind is None:
        raise ValueError(f"it begins with none of {', '.join(f'{scheme}://' for scheme in _SCHEMES)}")
    options = _parameters(parts, kind)
    if kind == "one":
        _check_one(parts)
        return Address(kind, url.partition("?")[0], options=options)
    if parts.username:
        options["username"] = unquote(parts.username)
    if parts.password:
        options["password"] = unquote(parts.password)
    nodes = tuple(_node(each, kind) for each in parts.netloc.rpartition("@")[2].split(","))
    service, _, db = parts.path.strip("/").partition("/")
    if kind == "cluster":
        if service:
            raise ValueError("a Cluster has no databases: nothing may follow its nodes")
        return Address(kind, url, nodes, options=options)
    if not service:
        raise ValueError("the service's name is missing: redis+sentinel://host:26379/mymaster")
    if db and not db.isdecimal():
        raise ValueError("what follows the service is not the number of a database")
    return Address(kind, url, nodes, service, {**options, "db": int(db or 0)})


def _check_one(parts: SplitResult) -> None:
    if parts.scheme == "unix":
        return
    if not parts.hostname:
        raise ValueError("it names no host")
    db = parts.path.strip("/")
    if db and not db.isdecimal():
        raise ValueError("what follows the host is not the number of a database")


def _node(text: str, kind: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ValueError("each node is host:port, an IPv6 address in brackets, separated by commas")
    return host, port or (26379 if kind == "sentinel" else 6379)


def _parameters(parts: SplitResult, kind: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name in _TEXTS:
            options[name] = value
        elif name in _SWITCHES and value.lower() in _TRUE | _FALSE:
            options["ssl" if name == "tls" else name] = value.lower() in _TRUE
        elif name == "db" and kind == "one" and value.isdecimal():
            options[name] = int(value)
        else:
            known = ", ".join(sorted({*_TEXTS, *_SWITCHES, "db"}))
            raise ValueError(f"its parameter {name!r} is unknown or has a value that it cannot have; known: {known}")
    if kind == "one" and "ssl" in options:
        raise ValueError("for one server TLS is said by rediss://")
    if not (parts.scheme == "rediss" or options.get("ssl")) and any(name.startswith("ssl_") for name in options):
        raise ValueError("its ssl_ parameters are about TLS, which it does not ask for: rediss://, or tls=true")
    return options
