"""JSON Schemas of payload models: as they are published, and as the door checks by them.

Pydantic and JSON Schema disagree about some formats and patterns: of times without a zone, for one, which RFC 3339 does
not have. The door must not refuse what the model takes, so it does not assert these; the worker finds the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, time, timedelta
from typing import Any

from pydantic import TypeAdapter

from callboard.masking import mask_payload

#: Words of JSON Schema (2020-12) that hold schemas by name, and those that hold values.
_BY_NAME = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
_VALUES = frozenset({"const", "enum", "default", "examples"})

#: Formats that are checked by Pydantic's own reading, and those that both read alike.
FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": TypeAdapter(datetime).validator.isinstance_python,
    "time": TypeAdapter(time).validator.isinstance_python,
    "duration": TypeAdapter(timedelta).validator.isinstance_python,
}
_ALIKE = frozenset({*FORMATS, "date", "uuid", "ipv4"})

#: Of these, patterns in Rust and Python mean all of Unicode, those of ECMA-262 only ASCII; and classes by name.
_UNALIKE = re.compile(r"\\[wWdDbB]|\[\[:|&&|--")


def told(schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` as it may be published: without the defaults and examples that :mod:`callboard.masking` would mask."""

    def without(part: dict[str, Any]) -> dict[str, Any]:
        properties = part.get("properties")
        if not isinstance(properties, dict):
            return part
        return {**part, "properties": {name: _unless_masked(name, each, schema) for name, each in properties.items()}}

    changed: dict[str, Any] = _mapped(schema, without)
    return changed


def _unless_masked(name: str, field: Any, root: Mapping[str, Any]) -> Any:
    if not isinstance(field, dict):
        return field
    values = [field["default"]] if "default" in field else []
    values += field.get("examples", [])
    described = {**root, "properties": {name: field}}
    if all(mask_payload({name: value}, described) == {name: value} for value in values):
        return field
    return {word: value for word, value in field.items() if word not in ("default", "examples")}


def assertable(schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` without what might refuse a value that its model takes."""

    def without(part: dict[str, Any]) -> dict[str, Any]:
        kept = {**part}
        name, pattern = part.get("format"), part.get("pattern")
        if isinstance(name, str) and name not in _ALIKE:
            del kept["format"]
            if name == "binary":  # the model counts bytes, the schema characters
                kept.pop("minLength", None)
        if isinstance(pattern, str) and _UNALIKE.search(pattern):
            del kept["pattern"]
        return kept

    changed: dict[str, Any] = _mapped(schema, without)
    return changed


def _mapped(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A copy of ``schema`` with every schema in it changed; what are values stays as it is."""
    if isinstance(schema, list):
        return [_mapped(each, change) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        word: value
        if word in _VALUES
        else {name: _mapped(each, change) for name, each in value.items()}
        if word in _BY_NAME and isinstance(value, dict)
        else _mapped(value, change)
        for word, value in change(schema).items()
    }
