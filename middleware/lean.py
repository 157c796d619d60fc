"""Dramatiq's own middleware, with a quick way out for the many jobs that do not use it.

What they do when they are used is Dramatiq's code, unchanged; looking up whether they are took a tenth of a no-op job.
"""

from __future__ import annotations

from typing import Any

from dramatiq import Broker, middleware
from dramatiq.broker import MessageProxy


class AgeLimit(middleware.AgeLimit):
    """Fails jobs that waited for longer than ``max_age`` (ms)."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Look only where a limit can be."""
        if self.max_age or "max_age" in message.options or "max_age" in broker.actors[message.actor_name].options:
            super().before_process_message(broker, message)  # type: ignore[no-untyped-call]


class Callbacks(middleware.Callbacks):
    """Sends ``on_success`` and ``on_failure`` messages, with the finish."""

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Look only where a callback can be. A job that failed without an exception has no success to tell of."""
        if exception is None and message.failed:
            return
        name = "on_success" if exception is None else "on_failure"
        if name in message.options or name in broker.actors[message.actor_name].options:
            super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call]


class Pipelines(middleware.Pipelines):
    """Sends the next link of a pipeline, with the finish."""

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Look only at jobs that have a next link."""
        if "pipe_target" in message.options:
            super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call]
