"""How the children of a job ended, as its actor reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dramatiq.message import get_encoder
from dramatiq.results.result import unwrap_result

from callboard.ids import unpack_id
from callboard.store.store import Store
from callboard.verbs.flows import OUTCOMES, Child, all_children


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """One child that has ended: ``outcome`` is completed, failed or cancelled. ``result`` is what it returned (None
    otherwise), ``reason`` why it did not complete ('' otherwise)."""

    queue: str
    id: str
    outcome: str
    result: Any = None
    reason: str = ""


def read_ends(store: Store, queue: str, stored_id: str) -> list[ChildEnd]:
    """The children of a job that have ended, in the order of its flow.

    Raises: StoreUnavailable.
    """
    return [_end(child) for child in all_children(store, queue, stored_id, values=True) if child.outcome]


def _end(child: Child) -> ChildEnd:
    outcome, job_id = OUTCOMES[child.outcome], unpack_id(child.stored_id)
    if outcome != "completed":
        return ChildEnd(child.queue, job_id, outcome, reason=child.value.decode(errors="replace"))
    result = unwrap_result(get_encoder().decode(child.value)) if child.value else None
    return ChildEnd(child.queue, job_id, outcome, result)
