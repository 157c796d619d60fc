"""Group callbacks: what follows a group of jobs is sent when the last of them has completed, with its finish."""

from __future__ import annotations

import threading
from typing import Any

from dramatiq import Broker, Message, middleware
from dramatiq.broker import MessageProxy
from dramatiq.rate_limits import RateLimiterBackend

from callboard.broker import CallboardBroker
from callboard.errors import BadRequest
from callboard.verbs.flows import ARRIVED
from callboard.worker.finish import refuse
from callboard.worker.job import Job

#: Options that Dramatiq's ``group`` gives its jobs, and ours: of how many jobs the group is.
_BARRIER, _CALLBACKS, _SIZE = "group_completion_uuid", "group_completion_callbacks", "group_completion_size"


class GroupCallbacks(middleware.GroupCallbacks):
    """Dramatiq's ``group(…).add_completion_callback(…)``, without its loss window.

    Dramatiq counts a barrier down when a job's actor has returned, before the job is acknowledged: when a worker dies
    in between, the job runs again and is counted twice, and the callbacks come too early; when it dies after the last
    count, they never come. Here the count is a message in the outbox, committed with the job's finish; the barrier is
    kept in the queue of the first callback, whose script counts each message once and sends the callbacks.
    """

    def __init__(self) -> None:
        sizes = _Sizes()
        super().__init__(sizes)
        self._sizes = sizes

    def before_enqueue(self, broker: Broker, message: Message[Any], delay: int | None) -> None:
        """Note with each job of a group, and at the end of its pipelines, how many there are."""
        if not self._sizes.any:
            return
        for options in _last_options(message.options):
            size = self._sizes.of(options.get(_BARRIER))
            if size:
                options[_SIZE] = size

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Count a job that has completed."""
        if exception is not None or message.failed or _CALLBACKS not in message.options:
            return
        assert isinstance(message, Job)
        assert isinstance(broker, CallboardBroker)
        callbacks: list[Message[Any]] = [Message(**each) for each in message.options[_CALLBACKS]]
        size = message.options.get(_SIZE)
        if not callbacks or not size:
            return
        try:
            rows = [broker.outbox_row(each) for each in callbacks]
        except BadRequest as error:
            refuse(message, type(error).__name__, f"what follows the group could not be sent: {error}")
            return
        barrier = (callbacks[0].queue_name, message.options[_BARRIER], b"", 0, "", 0, (size, rows), ARRIVED)
        message.outbox = [*(message.outbox or ()), barrier]


def _last_options(options: dict[str, Any]) -> list[dict[str, Any]]:
    """The options of a message and, if a pipeline follows it, those of its last link."""
    found = [options]
    while isinstance(target := options.get("pipe_target"), dict):
        options = target["options"]
        found.append(options)
    return found


class _Sizes(RateLimiterBackend):
    """Stands where Dramatiq's barriers are kept: it hears how large a group is when that is run, and that is all."""

    def __init__(self) -> None:
        self._local = threading.local()

    def add(self, key: str, value: int, ttl: int) -> bool:
        """``group.run`` makes the barrier ``key`` for ``value`` jobs, on the thread that then sends them."""
        self._local.made = (key, value)
        return True

    @property
    def any(self) -> bool:
        """Whether this thread has run a group."""
        return hasattr(self._local, "made")

    def of(self, key: str | None) -> int:
        """How many jobs the group of barrier ``key`` has, if this thread runs it; else 0."""
        made = getattr(self._local, "made", ("", 0))
        return made[1] if key is not None and made[0] == key else 0

    def _unused(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError("the barriers of groups are kept by Callboard; for rate limits use a backend of them")

    incr = decr = incr_and_sum = wait = wait_notify = _unused
