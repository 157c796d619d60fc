"""Dramatiq's event loop for async actors, in a thread that does not keep the process from ending.

A second SIGTERM makes a Dramatiq worker process end without shutting down. Dramatiq's loop thread is not a daemon: with
it the interpreter waited for a loop that nobody stopped any more, and the process stayed (seen on 2.2.1).
"""

from __future__ import annotations

from dramatiq import Broker, Worker
from dramatiq.asyncio import EventLoopThread, set_event_loop_thread
from dramatiq.middleware import AsyncIO

#: How long the loop may take to start (seconds), as in Dramatiq.
_START_S = 1.0


class EventLoop(AsyncIO):
    """Starts and ends the event loop of async actors."""

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        """Start the loop, in the process that uses it."""
        thread = EventLoopThread(self.logger)
        thread.daemon = True
        thread.start(timeout=_START_S)
        set_event_loop_thread(thread)
