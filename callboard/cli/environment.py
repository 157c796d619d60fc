"""What the environment of a command says, in words: where Redis is, and variables that no setting has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from callboard.settings import Settings
from callboard.store.address import parse_address
from callboard.suggest import nearest

_PREFIX = "CALLBOARD_"

#: Beginnings of variables that are read elsewhere: by job types, by what runs beside the workers, by tests.
_OTHERS = ("SMTP_", "WEBHOOK_", "WORKER_SLOT", "EXPORTER", "OPS_", "TEST_")

#: How like a setting a variable must be to be taken for a mistyped one; others may be a team's own.
_MISTYPED = 0.75


def variable_of(field: str) -> str:
    """The environment variable of a field of ``Settings``."""
    return field.upper() if field.startswith("redis_") else f"{_PREFIX}{field.upper()}"


def mistyped(environ: Mapping[str, str]) -> Iterator[str]:
    """A line for each variable that no setting has, and that is so like one that it was probably meant."""
    known = {field.upper(): variable_of(field) for field in Settings.model_fields}
    for variable, value in sorted(environ.items()):
        name = variable.removeprefix(_PREFIX)
        if name == variable or variable in known.values() or name.startswith(_OTHERS):
            continue
        if value.startswith("tcp://"):
            continue  # what Kubernetes sets for a service, https://kubernetes.io/docs/concepts/services-networking/service/
        meant = nearest(name, known, _MISTYPED)
        if meant:
            yield f"there is no setting {variable}; did you mean {known[meant]}?"


def place_of(settings: Settings) -> str:
    """Where Redis is looked for, without user and password."""
    address = parse_address(settings.url)
    if address.kind != "one":
        nodes = ", ".join(f"{host}:{port}" for host, port in address.nodes)
        return f"{address.service} of the Sentinels {nodes}" if address.service else f"the Cluster of {nodes}"
    parts = urlsplit(address.url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname}:{parts.port or 6379}"
