"""Names of exceptions that may be label values: few enough for Prometheus, whatever is raised.

Allowed are the classes of Python, Dramatiq, Callboard and the packages that the actors are from. Those of other
libraries are not: an actor that means to tell them apart raises its own, which says more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import monotonic

OTHER = "other"

#: Beyond so many names everything new is ``other``: classes can be made at run time.
MOST = 100

#: Modules are imported late, and with them come classes: a name that is not known is looked for so often (seconds).
_LOOK_S = 10.0

_ALWAYS = {"builtins", "callboard", "dramatiq", "middleware"}

#: What the engine itself calls an end that no exception brought about (callboard.results).
_ENGINES = frozenset({"ResultInvalid", "ResultTooLarge"})


class Allowed:
    """The label value of each name. Not for several threads at once."""

    def __init__(self, modules: Iterable[str]) -> None:
        """``modules``: where the actors of this process are from."""
        self._packages = _ALWAYS | {name.partition(".")[0] for name in modules}
        self._known = set(_ENGINES)
        self._used: set[str] = set()
        self._look_after = 0.0

    def label(self, name: str) -> str:
        """``name`` if it may be a label value, else ``other``."""
        if name in self._used:
            return name
        if len(self._used) >= MOST or not (name in self._known or self._found(name)):
            return OTHER
        self._used.add(name)
        return name

    def _found(self, name: str) -> bool:
        now = monotonic()
        if now < self._look_after:
            return False
        self._look_after = now + _LOOK_S
        self._known |= {each.__name__ for each in _classes() if _package(each) in self._packages}
        return name in self._known


def _package(kind: type) -> str:
    return str(kind.__module__).partition(".")[0]


def _classes() -> Iterator[type[BaseException]]:
    """Every class of exceptions that there is now."""
    seen: set[type[BaseException]] = set()
    left: list[type[BaseException]] = [BaseException]
    while left:
        kind = left.pop()
        if kind not in seen:
            seen.add(kind)
            yield kind
            left += type.__subclasses__(kind)
