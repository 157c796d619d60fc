"""The name that was probably meant, for messages about a name that nothing has."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that is most like ``name``; None when none is.

    Args:
      name: what was given.
      known: what there is.
      cutoff: how alike they must be, 0…1 (``difflib.SequenceMatcher.ratio``).
    """
    found = get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return found[0] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` to put behind ``name`` in a message, or nothing."""
    found = nearest(name, known)
    return f" (did you mean {found!r}?)" if found else ""
