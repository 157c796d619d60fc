"""Every error that Callboard raises, as one tree.

::

    CallboardError
    ├── BadRequest                    the caller's input is at fault; nothing was added or changed
    │   ├── UnknownQueue
    │   ├── UnknownActor
    │   ├── InvalidOption             priority, delay, id … out of range
    │   ├── InvalidFlow               a circle, an id twice, nothing to run
    │   ├── InvalidSchedule           no such cron line or zone, a start after its end …
    │   ├── PayloadInvalid            not JSON, or not what the actor takes
    │   └── PayloadTooLarge
    ├── QueueFull                     the queue is at its ``max_length``
    ├── QueueClosed                   the queue is being obliterated
    ├── JobNotFound
    ├── ScheduleNotFound
    ├── ResultMissing                 the job has not ended, or its result has had its time
    ├── JobFailed                     there is no result: the job failed or was cancelled
    ├── WrongState                    the job's state does not allow it; ``state`` says which it is in
    ├── PayloadChanged                somebody else edited the payload meanwhile
    ├── QueueBusy                     jobs are active or the outbox is not empty
    ├── NoCurrentJob                  ``current_job()`` where no job runs
    ├── StoreUnavailable              Redis did not answer in time (also a ``BrokerConnectionError``)
    ├── StoreRefused                  Redis answered that it takes no writes (memory, disk, replica)
    └── FormatMismatch                the data in Redis was written by an incompatible version
    PermanentError                    raised *by actors*: fail this job now, do not retry
    └── PayloadUnfit                  a stored payload does not fit its actor any more
    Deferred                          raised *by actors* (``defer``): run this job again later, at no attempt's cost
    JobCancelled                      raised *into actors*: an operator cancelled the job
    LeaseLost                         raised *into actors*: the job belongs to another worker by now

The docstring of a class is its default message, so it says what to do.
"""

from __future__ import annotations

from typing import Any

from dramatiq.errors import ActorNotFound, BrokerConnectionError, QueueNotFound
from dramatiq.threading import Interrupt

#: A delay beyond this is taken for a mistake in units.
MAX_DELAY_S = 10 * 366 * 24 * 3600


class CallboardError(Exception):
    """Something went wrong in Callboard."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class BadRequest(CallboardError):
    """The request is not valid; nothing was changed. Correct the input and call again."""


class UnknownQueue(BadRequest, QueueNotFound):
    """No queue of that name is in the catalogue. Check the name, or add the queue to the catalogue."""


class UnknownActor(BadRequest, ActorNotFound):
    """No worker has published an actor of that name. Check the name, or start a worker that has it."""


class InvalidOption(BadRequest):
    """An option of the job is out of range. Correct the option and add the job again."""


class PayloadInvalid(BadRequest):
    """The payload cannot be stored as JSON or does not fit its actor. Correct the named field."""


class PayloadTooLarge(BadRequest):
    """The payload is over the limit. Store the data elsewhere and send a reference to it."""


class InvalidFlow(BadRequest):
    """The flow cannot be: a circle, an id that is there twice, nothing to run. Correct the plan and add it again."""


class InvalidSchedule(BadRequest):
    """The schedule cannot be: no such cron line or time zone, a start after its end. Correct it and add it again."""


class QueueFull(CallboardError):
    """The queue holds as many jobs as it may. Add again later, or raise the queue's ``max_length``."""


class QueueClosed(CallboardError):
    """The queue is being obliterated and takes no jobs. If that was interrupted, repeat it: the queue is open then."""


class JobNotFound(CallboardError):
    """No job of that id is in the queue: it never was, or its retention has passed."""


class ScheduleNotFound(CallboardError):
    """There is no schedule of that id: it never was, or it was deleted."""


class ResultMissing(CallboardError):
    """There is no result (yet). Ask again when the job has ended, or give a ``timeout`` to wait for it."""

    def __init__(self, message: str | None = None, state: str = "") -> None:
        super().__init__(message)
        #: The state that the job is in.
        self.state = state


class JobFailed(CallboardError):
    """The job has no result: it failed or was cancelled. Retry it when what it failed of is mended."""

    def __init__(self, message: str | None = None, state: str = "", reason: str = "", error_type: str = "") -> None:
        super().__init__(message)
        #: "failed" or "cancelled", why, and the name of the error's class.
        self.state, self.reason, self.error_type = state, reason, error_type


class WrongState(CallboardError):
    """The job's state does not allow this."""

    def __init__(self, message: str | None = None, state: str = "") -> None:
        super().__init__(message)
        self.state = state


class PayloadChanged(CallboardError):
    """The payload was changed by somebody else meanwhile. Read the job again and repeat the edit."""


class QueueBusy(CallboardError):
    """Jobs are active or the outbox is not empty. Pause the queue and wait, or force it and lose them."""


class NoCurrentJob(CallboardError):
    """No job runs here: current_job() is for actors. In tests, run the actor with ``callboard.testing``."""


class StoreUnavailable(CallboardError, BrokerConnectionError):
    """Redis did not answer in time. The call may have taken effect; repeat it with the same job id."""


class StoreRefused(CallboardError):
    """Redis takes no writes (memory or disk full, or a read-only replica). Nothing was changed."""


class FormatMismatch(CallboardError):
    """The data in Redis was written by an incompatible version of Callboard."""


class PermanentError(Exception):
    """Raised by an actor whose job can never succeed: it fails at once, whatever attempts are left."""


class PayloadUnfit(PermanentError):
    """The stored payload does not fit its actor any more. Add the job again, or give the actor an ``upgrade``."""


class Deferred(Exception):
    """Raised by an actor that wants to run again in ``seconds``; costs no attempt.

    Raises: InvalidOption when ``seconds`` is not a number within 0 and ten years.
    """

    def __init__(self, seconds: float, reason: str = "") -> None:
        given: Any = seconds
        if not isinstance(given, int | float) or not 0 <= given <= MAX_DELAY_S:
            raise InvalidOption(f"defer {seconds!r} is not a number of seconds within 0…{MAX_DELAY_S} (ten years)")
        super().__init__(reason or f"deferred for {seconds:g} s")
        self.seconds = seconds


class JobCancelled(Interrupt):
    """Raised into an actor whose job was cancelled. Clean up and let it pass: the job then ends as cancelled."""


class LeaseLost(Interrupt):
    """Raised into an actor whose job was given to another worker: what it still does would be refused."""
