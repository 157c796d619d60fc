"""The platform's middleware, in order: :data:`LAYERS` says what each does and why it stands where it does.

``before_*`` hooks run from first to last, ``after_*`` hooks from last to first. The engine's own runtime comes before
all of these: it is the gate that every start passes, and the last to hear that an attempt is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dramatiq import Middleware
from dramatiq.middleware import CurrentMessage

from callboard.settings import Settings
from middleware.age_limit import AgeLimit
from middleware.attempt_log import AttemptLog
from middleware.callbacks import Callbacks
from middleware.event_loop import EventLoop
from middleware.group_callbacks import GroupCallbacks
from middleware.job_logging import JobLogging
from middleware.pipelines import Pipelines
from middleware.recycling import recycling
from middleware.results import results
from middleware.retries import Retries
from middleware.worker_metrics import WorkerMetrics


@dataclass(frozen=True, slots=True)
class Layer:
    """One middleware of the stack."""

    #: The name of its class.
    name: str
    does: str
    #: Why it stands here and not elsewhere.
    place: str
    #: Makes it; None when the settings do not ask for it.
    make: Callable[[Settings], Middleware | None]


#: The stack, first to last. docs/guides/middleware.md has the same table; a test compares the two.
LAYERS: tuple[Layer, ...] = (
    Layer(
        "JobLogging", "what jobs and libraries log", "first: the others' lines at boot and shutdown take the same way",
        lambda settings: JobLogging(settings.log_format, settings.log_level),
    ),
    Layer(
        "AttemptLog", "one line a finished attempt", "after all others at an attempt's end: it sees what became of it",
        lambda settings: AttemptLog(settings.log_format) if settings.attempt_log else None,
    ),
    Layer(
        "WorkerMetrics", "counts what the process does, for Prometheus",
        "anywhere after the logs: no hook of a job, the engine tells it what was committed",
        lambda settings: WorkerMetrics() if settings.metrics else None,
    ),
    Layer(
        "Recycling", "ends its process after so many jobs, or at such a size, to be started anew",
        "after the logs: what it says at boot goes their way", recycling,
    ),
    Layer(
        "AgeLimit", "jobs older than `max_age` fail unrun", "before whatever prepares a run that will not be",
        lambda _: AgeLimit(),
    ),
    Layer("EventLoop", "the event loop of async actors", "anywhere: it only starts and ends a thread",
          lambda _: EventLoop()),
    Layer("CurrentMessage", "actors find their message", "before the actor, after what may refuse the job",
          lambda _: CurrentMessage()),
    Layer("Callbacks", "`on_success`, `on_failure`, through the outbox", "asked after Results and Retries",
          lambda _: Callbacks()),
    Layer("GroupCallbacks", "what follows a group of jobs, through the outbox", "asked after Results and Retries",
          lambda _: GroupCallbacks()),
    Layer("Pipelines", "the next link of a pipeline, through the outbox", "asked after Results and Retries",
          lambda _: Pipelines()),
    Layer("Results", "return values, kept with the job",
          "asked before Callbacks and Pipelines: a value that cannot be kept fails the job, and nothing follows",
          results),
    Layer("Retries", "what becomes of a failed attempt",
          "asked first of all at an attempt's end: the others see the job as failed or not", lambda _: Retries()),
)  # fmt: skip


def default_stack(settings: Settings) -> list[Middleware]:
    """The middleware of the platform's brokers, to be passed to :class:`callboard.CallboardBroker`."""
    return [made for layer in LAYERS if (made := layer.make(settings)) is not None]
