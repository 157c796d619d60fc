"""A verb on many jobs that is half-way, in Redis and in the model: both go on from the job that they looked at last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from callboard.settings import Settings
from callboard.store.store import Store
from callboard.verbs.bulk import JobFilter
from tests.statemachine.operating import Place, Wish


@dataclass(eq=False)  # two runs may be alike
class Run:
    """``until_ms`` is when it began (0: it has not). ``score`` and ``job_id`` are Redis' words for its place."""

    verb: str
    state: str
    wish: Wish
    reset: bool
    reason: str
    steps_of: int
    until_ms: int = 0
    score: bytes = b""
    job_id: bytes = b""
    place: tuple[Place, str] | None = None
    through: bool = False

    def step(self, store: Store) -> tuple[int, int]:
        """One step in Redis: how many jobs changed, and at how many it looked."""
        spec, settings = store.settings.catalogue["q"], store.settings
        changed, looked, self.score, self.job_id, self.until_ms = store.call(
            self.verb, "q", self._args(settings, int(spec.fair), spec.keep_completed)
        )
        self.through = not self.score
        return changed, looked

    def _args(self, settings: Settings, fair: int, keep: int) -> tuple[Any, ...]:
        packed = filter_of(self.wish).packed()
        where = (self.until_ms, self.score, self.job_id, self.steps_of)
        if self.verb == "retry_all":
            return self.state, packed, *where, int(self.reset), fair, settings.events_max
        if self.verb == "promote_all":
            return packed, *where, fair, settings.events_max
        return self.state, packed, *where, self.reason, keep, settings.events_max

    def warp(self, ms: int) -> None:
        """So much time goes by."""
        if self.until_ms:
            self.until_ms -= ms
        if self.place is not None and self.state != "waiting":
            (at, *_), job_id = self.place
            self.place = (at - ms,), job_id
            self.score = b"%d" % (int(self.score) - ms)
        if self.wish.before:
            self.wish = self.wish._replace(before=self.wish.before - ms)


def filter_of(wish: Wish) -> JobFilter:
    """A wish as callers say it."""
    before = datetime.fromtimestamp(wish.before / 1000, UTC) if wish.before else None
    return JobFilter(wish.actor, wish.workspace, wish.tag, wish.text, None, before)
