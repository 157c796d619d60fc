"""How templates write numbers."""

from __future__ import annotations


def span(seconds: float) -> str:
    """A duration below a day, as ``humanizeDuration`` writes it."""
    whole = int(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if whole < 60:
        return f"{seconds:.4g}s"
    return f"{hours}h {minutes}m {rest}s" if hours else f"{minutes}m {rest}s"
