"""The platform's middleware, in order. ``before_*`` hooks run from first to last, ``after_*`` hooks from last to first.

The engine's own runtime comes before all of these: it is the gate that every start passes. Of the rest, Retries is
last, so that it decides first when an attempt ends and the others see the job as failed or not.

1. AttemptLog     one line a finished attempt
2. AgeLimit       jobs older than ``max_age`` fail unrun
3. AsyncIO        the event loop of async actors
4. CurrentMessage actors find their message
5. Callbacks      ``on_success``, ``on_failure``: through the outbox
6. Pipelines      the next link of a pipeline: through the outbox
7. Results        return values, committed with the finish; one that cannot be stored fails the job before 5 and 6 look
8. Retries        what becomes of a failed attempt
"""

from __future__ import annotations

from dramatiq import Middleware
from dramatiq.middleware import AsyncIO, CurrentMessage
from dramatiq.results import Results

from callboard.results import CallboardResults
from callboard.settings import Settings
from callboard.store.store import open_store
from middleware.attempt_log import AttemptLog
from middleware.lean import AgeLimit, Callbacks, Pipelines
from middleware.retries import Retries


def default_stack(settings: Settings) -> list[Middleware]:
    """The middleware of the platform's brokers, to be passed to :class:`callboard.CallboardBroker`."""
    log = [AttemptLog()] if settings.attempt_log == "json" else []
    return [
        *log, AgeLimit(), AsyncIO(), CurrentMessage(), Callbacks(), Pipelines(),
        Results(backend=CallboardResults(open_store(settings))), Retries(),
    ]  # fmt: skip
