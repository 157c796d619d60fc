"""A store that needs no Redis: it answers the calls of verbs from memory, in the words of their scripts.

Everything that stands on a store works on it unchanged: the door, ``QueueService``, ``current_job()``, results.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from callboard.errors import QueueFull
from callboard.packing import pack, unpack
from callboard.records import pack_record
from callboard.settings import Settings
from callboard.store.scripts import Script
from callboard.store.store import Call, Store
from callboard.testing.clock import Clock
from callboard.testing.shelf import ACTIVE, CANCELLED, COMPLETED, DELAYED, ENDED, FAILED, WAITING, Kept, Shelf

#: Names of lists -> the state whose jobs are in them.
_LISTS = {
    "waiting": WAITING, "held": b"", "blocked": b"", "delayed": DELAYED, "active": ACTIVE, "completed": COMPLETED,
    "failed": FAILED, "cancelled": CANCELLED,
}  # fmt: skip

#: What the steering scripts answer.
_ALREADY, _DONE, _TOLD, _NOT_FOUND, _WRONG_STATE = 0, 1, 2, -1, -2


class MemoryStore(Store):
    """All queues of a deployment in memory. ``published`` is set to what gives the published actors."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        super().__init__(settings)
        self.clock = clock
        self.shelves = {name: Shelf(spec, settings, clock) for name, spec in settings.catalogue.items()}
        self.published: Callable[[], dict[str, dict[str, Any]]] = dict
        #: Called with (queue, stored id) of a running job that was cancelled.
        self.on_cancel: Callable[[str, str], None] = _nothing
        self._added = 0
        #: Actors may have threads of their own, which add jobs or speak for theirs.
        self._lock = threading.RLock()
        self._verbs: dict[str, Callable[[Shelf, Sequence[Any]], Any]] = {
            "add": self._add, "get": _get, "get_result": self._get_result, "list": _list, "stats": self._stats,
            "details": _details, "progress": _progress, "log": self._log, "checkpoint": _checkpoint,
            "children": _no_children,
            "cancel": self._cancel, "promote": self._promote, "retry": _retry, "remove": _remove,
        }  # fmt: skip

    def pipeline(self, calls: Sequence[Call]) -> list[Any]:
        """Run verbs. Raises: NotImplementedError for a verb that only a server has."""
        with self._lock:
            return [self._run(*call) for call in calls]

    def _run(self, verb: str, queue: str, args: Sequence[Any]) -> Any:
        if verb == "actors":
            return [0, [part for name, told in self.published().items() for part in (name.encode(), json.dumps(told))]]
        run = self._verbs.get(verb)
        if run is None:
            self._only_on_a_server(f"{verb!r}")
        return run(self.shelves[queue], args)

    def take_order(self, count: int = 1) -> int:
        """The number of the first of ``count`` jobs among all that are added."""
        first = self._added + 1
        self._added += count
        return first

    # What Store asks of a connection

    def execute(self, *command: Any) -> Any:
        """Not here."""
        self._only_on_a_server(f"the Redis command {command[0]}")

    def _send(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        self._only_on_a_server("a Redis command")

    def _load(self, script: Script, queue: str) -> None:
        self._only_on_a_server("a script")

    def close(self) -> None:
        """Nothing is open."""

    def _only_on_a_server(self, what: str) -> NoReturn:
        known = ", ".join(self._verbs)
        raise NotImplementedError(
            f"callboard.testing keeps jobs in memory and does not have {what}; it has {known}. Test this on a server."
        )

    # The verbs, each with the arguments and the reply of its script

    def _add(self, shelf: Shelf, args: Sequence[Any]) -> list[Any]:
        rows = [(row[0].decode(), row[1], row[2], row[3].decode(), *row[4:]) for row in unpack(args[5])]
        try:
            return [1, shelf.add(rows, self.take_order(len(rows))).encode()]
        except QueueFull:
            return [-1]

    def _get_result(self, shelf: Shelf, args: Sequence[Any]) -> list[Any]:
        kept = shelf.jobs.get(args[0])
        if kept is None:
            return [b"", None, b"", b""]
        result = kept.result
        if kept.result_until is not None and kept.result_until <= self.clock.now_ms:
            result = b""
        attempts = pack(kept.attempts) if kept.record.state == FAILED and kept.attempts else b""
        return [kept.record.state, result, kept.record.reason, attempts]

    def _log(self, shelf: Shelf, args: Sequence[Any]) -> int:
        code = _may_speak(shelf, args)
        if code == 1:
            log = shelf.jobs[args[0]].log
            log.append((self.clock.now_ms, args[3]))
            del log[: -args[4]]
        return code

    def _stats(self, shelf: Shelf, args: Sequence[Any]) -> list[Any]:
        shelf.promote()
        oldest = min((max(kept.record.added, kept.record.ready) for kept in shelf.of(WAITING)), default=0)
        counts = [len(shelf.of(state)) for state in _LISTS.values()]
        waiting, held, blocked, delayed, *others = counts
        totals = [part for name, number in shelf.totals.items() for part in (name.encode(), number)]
        return [self.clock.now_ms, waiting, held, delayed, blocked, *others, 0, 0, b"", b"", oldest,
                shelf.next_due() or 0, totals]  # fmt: skip

    def _cancel(self, shelf: Shelf, args: Sequence[Any]) -> list[Any]:
        kept = shelf.jobs.get(args[0])
        if kept is None:
            return [_NOT_FOUND, b""]
        state = kept.record.state
        if state == ACTIVE:
            shelf.cancels.setdefault(kept.stored_id, args[1])
            self.on_cancel(shelf.spec.name, kept.stored_id)
            return [_TOLD, state]
        if state in ENDED:
            return [_ALREADY if state == CANCELLED else _WRONG_STATE, state]
        shelf.cancel(kept, args[1])
        return [_DONE, state]

    def _promote(self, shelf: Shelf, args: Sequence[Any]) -> list[Any]:
        shelf.promote()
        kept = shelf.jobs.get(args[0])
        if kept is None:
            return [_NOT_FOUND, b""]
        state = kept.record.state
        if state == DELAYED:
            kept.change(ready=self.clock.now_ms)
            shelf.put(kept, 0)
            return [_DONE, state]
        return [_ALREADY if state == WAITING else _WRONG_STATE, state]


def _no_children(shelf: Shelf, args: Sequence[Any]) -> None:
    """Flows need a server: no job here waited for others."""


def _nothing(queue: str, stored_id: str) -> None:
    """Nobody runs jobs yet."""


def _get(shelf: Shelf, args: Sequence[Any]) -> list[Any] | None:
    shelf.promote()
    kept = shelf.jobs.get(args[0])
    if kept is None:
        return None
    return [kept.payload, pack_record(kept.record), _score(kept), pack(kept.attempts) if kept.attempts else b""]


def _score(kept: Kept) -> int:
    return 0 if kept.record.state == WAITING else kept.place


def _list(shelf: Shelf, args: Sequence[Any]) -> list[Any]:
    name, limit, newest_first, score, after = args
    shelf.promote()
    found = shelf.of(_LISTS[name])
    if newest_first:
        found.reverse()
    first = next((i for i, kept in enumerate(found, 1) if (str(kept.place), kept.stored_id) == (score, after)), 0)
    rows: list[Any] = []
    for kept in found[first : first + limit]:
        rows += [kept.stored_id.encode(), str(kept.place).encode(), kept.payload, pack_record(kept.record)]
    return [len(found), rows]


def _details(shelf: Shelf, args: Sequence[Any]) -> list[Any]:
    kept = shelf.jobs.get(args[0])
    if kept is None:
        return [b"", b"", b""]
    return [
        pack(kept.log) if kept.log else b"", kept.progress, pack(kept.checkpoints) if kept.checkpoints else b"",
    ]  # fmt: skip


def _may_speak(shelf: Shelf, args: Sequence[Any]) -> int:
    kept = shelf.jobs.get(args[0])
    if kept is None:
        return -1
    return 1 if shelf.holds(kept, args[2]) else -2


def _progress(shelf: Shelf, args: Sequence[Any]) -> int:
    code = _may_speak(shelf, args)
    if code == 1:
        shelf.jobs[args[0]].progress = args[3]
    return code


def _checkpoint(shelf: Shelf, args: Sequence[Any]) -> int:
    code = _may_speak(shelf, args)
    if code == 1:
        kept = shelf.jobs[args[0]]
        noted = {**kept.checkpoints, args[3]: args[4]}
        if len(pack(noted)) > args[5]:
            return -3
        kept.checkpoints = noted
    return code


def _retry(shelf: Shelf, args: Sequence[Any]) -> list[Any]:
    kept = shelf.jobs.get(args[0])
    if kept is None:
        return [_NOT_FOUND, b""]
    state = kept.record.state
    if state not in ENDED:
        return [_WRONG_STATE, state]
    shelf.wait_again(kept, reset_attempts=bool(args[1]))
    return [_DONE, state]


def _remove(shelf: Shelf, args: Sequence[Any]) -> list[Any]:
    kept = shelf.jobs.get(args[0])
    if kept is None:
        return [_NOT_FOUND, b""]
    state = kept.record.state
    if state == ACTIVE:
        return [_WRONG_STATE, state]
    del shelf.jobs[args[0]]
    return [_DONE, state]
