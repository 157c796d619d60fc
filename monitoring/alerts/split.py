"""Queues that differ in a number: one rule a number, each with its queues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from callboard.catalogue import QueueSpec

Number = TypeVar("Number", int, float)


@dataclass(frozen=True, slots=True)
class Share(Generic[Number]):
    """The queues that have one number. ``matcher`` chooses them: "" when there are no others."""

    number: Number
    queues: tuple[str, ...]
    matcher: str

    def labels(self, name: str) -> dict[str, str]:
        """A label that tells rules of one name apart, where there are several."""
        return {name: f"{self.number:g}"} if self.matcher else {}


def by_number(catalogue: Mapping[str, QueueSpec], number: Callable[[QueueSpec], Number]) -> list[Share[Number]]:
    """The queues of the catalogue, by the number that they have.

    The number of most queues comes first, and its matcher names the others: a queue that is new to Prometheus but not
    yet to the rules is watched with the usual number.
    """
    numbers = {name: number(spec) for name, spec in catalogue.items()}
    counted = [each for each, _ in Counter(numbers.values()).most_common()]
    shares = []
    for each in counted:
        queues = tuple(name for name, has in numbers.items() if has == each)
        if each == counted[0]:
            others = [name for name, has in numbers.items() if has != each]
            matcher = f'queue!~"{_any_of(others)}"' if others else ""
        else:
            matcher = f'queue=~"{_any_of(queues)}"'
        shares.append(Share(each, queues, matcher))
    return shares


def _any_of(queues: list[str] | tuple[str, ...]) -> str:
    # A queue's name has letters, digits, '_', '-' and '.': only the last means something in a pattern.
    return "|".join(name.replace(".", "[.]") for name in queues)
