"""Pipelines: the next link, sent with the finish."""

from __future__ import annotations

from typing import Any

from dramatiq import Broker, middleware
from dramatiq.broker import MessageProxy


class Pipelines(middleware.Pipelines):
    """Dramatiq's: sends the next link of a pipeline. It is added together with the finish, through the outbox."""

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Look only at jobs that have a next link."""
        if "pipe_target" in message.options:
            super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call]
