"""Wrong versions of a rule, one change each: what tests of rules must notice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

#: Seconds that ``for`` is changed by: one evaluation.
STEP = 15

_COMPARISONS = (">", "<", ">=", "<=", "==", "!=")
_SWAPS = {
    "max": ("min", "sum"),
    "min": ("max",),
    "sum": ("max",),
    "unless": ("and",),
    "and": ("unless",),
    "or": ("and",),
    "rate": ("increase",),
    "increase": ("rate",),
    "min_over_time": ("max_over_time",),
    "avg_over_time": ("max_over_time",),
    "last_over_time": ("max_over_time",),
    "clamp_min": ("clamp_max",),
    "resets": ("changes",),
    "+": ("-",),
    "-": ("+",),
    "*": ("/",),
    "/": ("*",),
}
_FLIPPED = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

_TOKEN = re.compile(
    r"""(?P<string>"[^"]*")|(?P<matchers>\{[^}]*\})|(?P<range>\[\w+\])|(?P<vector>vector\(\d+\))
    |(?P<labels>\b(?:by|on)\ \([^)]*\))|(?P<word>[A-Za-z_:][\w:]*)|(?P<number>\d+(?:\.\d+)?)
    |(?P<comparison>==|!=|>=|<=|>|<)|(?P<sign>[-+*/])|(?P<other>\s+|[(),])""",
    re.VERBOSE,
)
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule with one change. ``what`` tells it, with its place among equal ones."""

    what: str
    rule: dict[str, Any]


def mutants(rule: dict[str, Any]) -> list[Mutant]:
    """Every wrong version of an alerting or recording rule."""
    made = [Mutant(what, rule | {"expr": expr}) for what, expr in expressions(rule["expr"])]
    if "alert" in rule:
        held = span(rule["for"]) if "for" in rule else 0
        made += [
            Mutant(f"for: {each}s", rule | {"for": f"{each}s"}) for each in (held + STEP, held - STEP) if each >= 0
        ]
        other = "warning" if rule["labels"]["severity"] == "critical" else "critical"
        made.append(Mutant(f"severity: {other}", rule | {"labels": rule["labels"] | {"severity": other}}))
    return made


def expressions(expr: str) -> Iterator[tuple[str, str]]:
    """(what was changed, the changed expression), for each part of an expression that can be wrong.

    Raises: ValueError for what this does not know to read.
    """
    tokens = _tokens(expr)
    seen: dict[str, int] = {}
    for at, (kind, text) in enumerate(tokens):
        for changed in _changes(kind, text, _number_after(tokens, at)):
            what = f"{text} -> {changed or 'nothing'}"
            seen[what] = seen.get(what, 0) + 1
            place = f" ({seen[what]})" if seen[what] > 1 else ""
            yield what + place, "".join([*(t for _, t in tokens[:at]), changed, *(t for _, t in tokens[at + 1 :])])


def span(duration: str) -> int:
    """A duration of Prometheus in seconds."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def _tokens(expr: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    while at < len(expr):
        found = _TOKEN.match(expr, at)
        if found is None or found.lastgroup is None:
            raise ValueError(f"cannot read {expr[at:]!r}")
        tokens.append((found.lastgroup, found[0]))
        at = found.end()
    return tokens


def _number_after(tokens: list[tuple[str, str]], at: int) -> str | None:
    following = [text for kind, text in tokens[at + 1 : at + 3] if kind == "number"]
    return following[0] if following else None


def _changes(kind: str, text: str, number: str | None) -> Iterator[str]:
    if kind == "comparison":
        # Counts, flags and rates are never below zero: "> 0" is "!= 0", and "== 0" is "<= 0".
        same = {">": "!=", "==": "<="}.get(text) if number == "0" else None
        yield from (each for each in _COMPARISONS if each not in {text, same})
    elif kind == "number":
        yield from _numbers(text)
    elif kind == "range":
        long = span(text[1:-1])
        yield from (f"[{long + long // 5}s]", f"[{long - long // 5}s]")
    elif kind == "matchers":
        yield from _matchers(text)
    elif kind == "labels" and text.startswith("by"):
        labels = text[4:-1].split(", ")
        yield from (f"by ({', '.join(each for each in labels if each != gone)})" for gone in labels)
    elif kind in {"word", "sign"}:
        yield from _SWAPS.get(text, ())


def _numbers(text: str) -> Iterator[str]:
    if "." in text:
        yield from (f"{float(text) * by:.6g}" for by in (1.01, 0.99))
    else:
        yield from (str(int(text) + by) for by in (1, -1))


def _matchers(text: str) -> Iterator[str]:
    all_of = _MATCHER.findall(text)
    for at, (label, operator, value) in enumerate(all_of):
        wrong = [f'{label}{_FLIPPED[operator]}"{value}"', ""]
        if operator in {"=", "!="}:
            wrong.append(f'{label}{operator}"{value}-not"')
        else:
            choices = value.split("|")
            kept = ["|".join(other for other in choices if other != choice) for choice in choices]
            wrong += [f'{label}{operator}"{each or "none"}"' for each in kept]
        for each in wrong:
            parts = [f'{name}{op}"{v}"' for name, op, v in all_of]
            parts[at : at + 1] = [each] if each else []
            yield f"{{{','.join(parts)}}}" if parts else ""
