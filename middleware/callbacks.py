"""Callbacks: ``on_success`` and ``on_failure``, sent with the finish."""

from __future__ import annotations

from typing import Any

from dramatiq import Broker, middleware
from dramatiq.broker import MessageProxy


class Callbacks(middleware.Callbacks):
    """Dramatiq's: sends ``on_success`` and ``on_failure`` messages (options of jobs and actors). They are added
    together with the finish, through the outbox."""

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Look only where a callback can be. A job that failed without an exception has no success to tell of."""
        if exception is None and message.failed:
            return
        name = "on_success" if exception is None else "on_failure"
        if name in message.options or name in broker.actors[message.actor_name].options:
            super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call]
