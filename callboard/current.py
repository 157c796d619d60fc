"""``current_job()``: what an actor may ask and say about the job that it runs for."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any, NoReturn, Protocol, overload

from callboard.errors import Deferred, InvalidOption, NoCurrentJob
from callboard.flows.ends import ChildEnd
from callboard.worker.job import Job

_MISSING: Any = object()

#: Bytes of a checkpoint's name in UTF-8.
_NAME_MAX = 200


class Speaker(Protocol):
    """Where an attempt says things. Each raises LeaseLost when the job belongs to another attempt by now."""

    def progress(self, job: Job, value: float | Mapping[str, Any]) -> None:
        """Say how far it is."""

    def log(self, job: Job, line: str) -> None:
        """Add a line to the job's log."""

    def checkpoint(self, job: Job, name: str, value: Any) -> None:
        """Note what has been done."""

    def checkpoints(self, job: Job) -> dict[str, Any]:
        """All that earlier attempts, and this one, noted."""

    def children(self, job: Job) -> list[ChildEnd]:
        """How the job's children in its flow ended."""


class CurrentJob:
    """The running job. What it says is kept only while this attempt holds the job.

    Every method that says something raises ``LeaseLost`` when another attempt holds the job by now (let it pass: the
    attempt is over), and ``StoreUnavailable`` when Redis does not answer.
    """

    __slots__ = ("_held_back", "_job", "_kept", "_speaker")

    def __init__(
        self, job: Job, speaker: Speaker, held_back: Callable[[Job], AbstractContextManager[None]] | None = None
    ) -> None:
        """``held_back``: what keeps interrupts from the attempt of a job; None where there are none."""
        self._job = job
        self._speaker = speaker
        self._held_back = held_back
        self._kept: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<CurrentJob {self.id} of {self.queue}, attempt {self.attempt}>"

    @property
    def id(self) -> str:
        """The job's id: the same in every attempt, so a key for what must happen once."""
        return self._job.message_id

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self._job.queue_name

    @property
    def actor(self) -> str:
        """The actor's name."""
        return self._job.actor_name

    @property
    def workspace(self) -> str:
        """The tenant, '' when the job has none."""
        return self._job.workspace

    @property
    def attempt(self) -> int:
        """The number of this execution, 1 for the first."""
        return self._job.attempt

    @property
    def max_attempts(self) -> int:
        """How many executions the job may take."""
        return self._job.max_attempts

    @property
    def is_last(self) -> bool:
        """Whether the job fails for good if this attempt fails."""
        return self._job.is_last_attempt

    @property
    def added_ms(self) -> int:
        """When the job was made, by its producer's clock (ms since the epoch)."""
        return self._job.message_timestamp

    @property
    def cancelled(self) -> bool:
        """Whether an operator cancelled the job. An actor that looked may clean up and return."""
        return self._job.cancelled

    @property
    def options(self) -> dict[str, Any]:
        """The job's options; changes are there in the next attempt. Must be JSON."""
        return self._job.options

    def progress(self, value: float | Mapping[str, Any]) -> None:
        """Say how far the job is: a number, or an object such as ``{"done": 3, "of": 40}`` (4 KiB as JSON at most)."""
        self._speaker.progress(self._job, value)

    def log(self, line: str) -> None:
        """Add a line to the job's own log, which operators see with the job; the last 200 lines are kept."""
        self._speaker.log(self._job, line)

    @overload
    def checkpoint(self, name: str) -> Any: ...
    @overload
    def checkpoint(self, name: str, value: Any) -> None: ...
    def checkpoint(self, name: str, value: Any = _MISSING) -> Any:
        """Note under ``name`` that something was done, or ask what was noted (None: nothing).

        What was noted survives retries, stalls and crashes, so that the next attempt goes on from there::

            if current_job().checkpoint("charged") is None:
                receipt = charge(card)
                current_job().checkpoint("charged", receipt)

        Values are JSON; all of a job's together take at most 64 KiB. Between what was done and its note a crash can
        still come: make the first repeatable, for example with the job's id as its key.

        Raises: InvalidOption when the value is not JSON, or the name is not a text of 1–200 bytes; PayloadTooLarge.
        """
        _check_name(name)
        if value is not _MISSING:
            self._speaker.checkpoint(self._job, name, value)
            if self._kept is not None:
                # As the next attempt will read it, and not the object that the actor may go on to change.
                self._kept[name] = json.loads(json.dumps(value))
            return None
        if self._kept is None:
            self._kept = self._speaker.checkpoints(self._job)
        return copy.deepcopy(self._kept.get(name))

    def children(self) -> list[ChildEnd]:
        """How the jobs of the flow that this one waited for ended, in the order of the flow; none without a flow."""
        return self._speaker.children(self._job)

    def previous_result(self) -> Any:
        """What the job before this one in its chain returned; None when it returned nothing, or there is none.

        Raises: InvalidOption when this job waited for several: see :meth:`child_results`.
        """
        before = self.children()
        if len(before) > 1:
            raise InvalidOption(f"job {self.id} waited for {len(before)} jobs: ask for child_results()")
        return before[0].result if before else None

    def child_results(self) -> list[Any]:
        """What the jobs that this one waited for returned, in the order of the flow; None for one that did not
        complete."""
        return [child.result for child in self.children()]

    def failed_children(self) -> list[ChildEnd]:
        """The jobs that this one waited for and that failed or were cancelled."""
        return [child for child in self.children() if child.outcome != "completed"]

    def uninterrupted(self) -> AbstractContextManager[None]:
        """A block in which nothing is raised into the actor from outside: no time limit, cancel, lost lease, shutdown.

        For code that must not be left half-way, such as a library that takes locks of its own, and that keeps a
        deadline of its own: the time limit cannot end it. What came due meanwhile is raised at the end of the block.
        """
        return nullcontext() if self._held_back is None else self._held_back(self._job)

    def defer(self, seconds: float, reason: str = "") -> NoReturn:
        """End this attempt now and run the job again in ``seconds``; costs no attempt.

        Raises: Deferred, always; InvalidOption when ``seconds`` is out of range.
        """
        raise Deferred(seconds, reason)


def _check_name(name: Any) -> None:
    try:
        fits = isinstance(name, str) and 0 < len(name.encode()) <= _NAME_MAX
    except UnicodeEncodeError:
        fits = False
    if not fits:
        raise InvalidOption(f"a checkpoint's name is a text of 1–{_NAME_MAX} bytes in UTF-8, not {name!r:.80}")


_current: ContextVar[CurrentJob | None] = ContextVar("callboard_current_job", default=None)


def current_job() -> CurrentJob:
    """The job that this code runs for; also in coroutines of async actors.

    Raises: NoCurrentJob outside an actor that a worker (or ``callboard.testing``) runs.
    """
    job = _current.get()
    if job is None:
        raise NoCurrentJob
    return job


def running_job() -> CurrentJob | None:
    """As :func:`current_job`; None where there is none."""
    return _current.get()


def set_current(job: CurrentJob | None) -> None:
    """Used by whoever runs actors, around each call."""
    _current.set(job)
