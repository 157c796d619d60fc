"""AgeLimit: jobs that waited too long fail unrun."""

from __future__ import annotations

from dramatiq import Broker, middleware
from dramatiq.broker import MessageProxy


class AgeLimit(middleware.AgeLimit):
    """Dramatiq's: fails jobs that waited for longer than ``max_age`` (ms), an option of jobs and actors."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Look only where a limit can be: most jobs have none, and every job comes by here."""
        if self.max_age or "max_age" in message.options or "max_age" in broker.actors[message.actor_name].options:
            super().before_process_message(broker, message)  # type: ignore[no-untyped-call]
