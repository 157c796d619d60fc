"""What is secret, and how it is shown: fields by their names, payloads by their actor's schema, texts by their form.

Whoever shows or logs values that people gave masks them first. What is stored stays as it is: the worker needs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

#: What stands in the place of a secret.
MASK = "***"

#: Values in values that are looked into; what lies deeper is masked as a whole.
MAX_DEPTH = 32

#: Names say secret when, in lower case and without dashes, they contain one of these.
_SECRET = re.compile(
    r"password|passwd|passphrase|pwd|secret|token|authorization|apikey|accesskey|cookie|signature|privatekey|whsec"
    r"|credential|^auth$"
)
_COUNT = re.compile(r"tokens$|^tokens|token(s?)(count|limit)")

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]")

_PARAMETERS = "password|passwd|secret|token|api_?key|signature|credential"

#: Secrets inside a text, each with what must be in it, in lower case, for a closer look: the password of a URL
#: (RFC 3986, 3.2.1), a query parameter whose name says so, a bearer token (RFC 6750, 2.1), the key of a webhook
#: (standardwebhooks.com).
_IN_TEXT = tuple(
    (hint, re.compile(pattern, re.IGNORECASE))
    for hint, pattern in (
        ("://", r"""(://[^\s/?#:@"'<>]*:)[^\s/?#"'<>]+(?=@)"""),
        ("=", rf"""([?&][\w.-]{{0,40}}(?:{_PARAMETERS})[\w.-]{{0,40}}=)[^\s&#"'<>]+"""),
        ("bearer", r"(\bbearer\s+)[\w.~+/-]{8,}=*"),
        ("whsec_", r"(\bwhsec_)[\w+/-]+=*"),
    )
)


@lru_cache(4_096)
def is_secret(name: str) -> bool:
    """Whether a field of this name holds a secret: ``password``, ``X-Api-Key``, ``refreshToken`` …"""
    return _SECRET.search(_NOT_IN_NAMES.sub("", name.lower())) is not None


def hides(name: str, value: Any) -> bool:
    """Whether ``value`` may not be shown under ``name``. What is only said to be there or not is no secret, nor is a
    number of tokens."""
    if not is_secret(name) or value is None or isinstance(value, bool):
        return False
    return not (isinstance(value, int | float) and _COUNT.search(_NOT_IN_NAMES.sub("", name.lower())))


def mask_text(text: str) -> str:
    """``text`` without the secrets that can be told by their form: ``redis://:***@host``, ``?token=***``,
    ``Bearer ***``, ``whsec_***``."""
    lower = text.lower()
    for hint, pattern in _IN_TEXT:
        if hint in lower:
            text = pattern.sub(rf"\1{MASK}", text)
    return text


def mask_secrets(value: Any) -> Any:
    """A copy of ``value`` (JSON) in which everything under a name that says secret is masked."""
    return _masked(value, [], {}, MAX_DEPTH)


def mask_payload(payload: Any, schema: Mapping[str, Any] | None) -> Any:
    """A payload as it may be shown.

    Args:
      payload: as it is stored (JSON).
      schema: the JSON Schema that its actor published; None: not known.

    Returns: a copy. Masked is what the schema marks as ``writeOnly`` or ``format: password`` (as Pydantic does with a
    ``SecretStr``) or with ``"secret": true`` (``Field(json_schema_extra={"secret": True})``), at any depth, in any
    branch that might apply; and what has a name that says secret, marked or not.

    A field is recognised by the name that the schema has for it: JSON Schema (2020-12, 9.4 for ``writeOnly``) knows no
    aliases.
    """
    return mask_secrets(payload) if schema is None else _masked(payload, [schema], schema, MAX_DEPTH)


def _masked(value: Any, schemas: Iterable[Any], root: Mapping[str, Any], depth: int) -> Any:
    if value is None:
        return None
    applying = _applying(schemas, root)
    if any(s.get("writeOnly") is True or s.get("secret") is True or s.get("format") == "password" for s in applying):
        return MASK
    if isinstance(value, str):
        return mask_text(value)
    if not isinstance(value, Mapping | list | tuple):
        return value
    if depth == 0:
        return MASK
    if isinstance(value, Mapping):
        return {
            key: MASK if hides(str(key), each) else _masked(each, _of_field(applying, str(key)), root, depth - 1)
            for key, each in value.items()
        }
    return [_masked(each, _of_item(applying, i), root, depth - 1) for i, each in enumerate(value)]


def _applying(schemas: Iterable[Any], root: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The schemas, and all that they refer to for the same value. References may go in circles."""
    found: list[Mapping[str, Any]] = []
    seen: set[int] = set()
    left = list(schemas)
    while left:
        schema = left.pop()
        if not isinstance(schema, Mapping) or id(schema) in seen:
            continue
        seen.add(id(schema))
        found.append(schema)
        if isinstance(reference := schema.get("$ref"), str):
            left.append(_referred(root, reference))
        for word in ("anyOf", "oneOf", "allOf"):
            left += schema.get(word, ())
        left += (schema[word] for word in ("if", "then", "else") if word in schema)
    return found


def _referred(root: Mapping[str, Any], reference: str) -> Any:
    """What a reference within the schema points at (RFC 6901); None if nothing is there."""
    if not reference.startswith("#"):
        return None
    place: Any = root
    for part in reference[1:].split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(place, Mapping):
            place = place.get(name)
        elif isinstance(place, list) and name.isdecimal() and int(name) < len(place):
            place = place[int(name)]
        else:
            return None
    return place


def _of_field(schemas: Iterable[Mapping[str, Any]], name: str) -> list[Any]:
    found: list[Any] = []
    for schema in schemas:
        own = schema.get("properties", {}).get(name)
        patterned = [s for pattern, s in schema.get("patternProperties", {}).items() if _matches(pattern, name)]
        found += [own] if own is not None else []
        found += patterned
        if own is None and not patterned:
            found.append(schema.get("additionalProperties"))
    return found


def _matches(pattern: str, name: str) -> bool:
    """Whether a name fits; of a pattern that only another language understands, every name does."""
    try:
        return re.search(pattern, name) is not None
    except re.error:
        return True


def _of_item(schemas: Iterable[Mapping[str, Any]], index: int) -> list[Any]:
    found: list[Any] = []
    for schema in schemas:
        first = schema.get("prefixItems", [])
        found.append(first[index] if index < len(first) else schema.get("items"))
    return found
