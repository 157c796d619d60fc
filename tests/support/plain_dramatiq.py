"""Dramatiq as it is, without Callboard or Redis: a broker whose consumers yield nothing, and notes of its hooks."""

from __future__ import annotations

from threading import Event
from typing import Any

from dramatiq import Broker, Consumer, MessageProxy, Middleware

#: All hooks of Middleware, which `CallboardBroker._find_hooks` looks up by name.
HOOKS = {
    "before_ack", "after_ack", "before_nack", "after_nack", "before_declare_actor", "after_declare_actor",
    "before_declare_queue", "after_declare_queue", "after_declare_delay_queue", "before_enqueue", "after_enqueue",
    "before_delay_message", "before_process_message", "after_process_message", "after_skip_message",
    "after_process_boot", "before_worker_boot", "after_worker_boot", "before_worker_shutdown", "after_worker_shutdown",
    "after_consumer_thread_boot", "before_consumer_thread_shutdown", "after_worker_thread_boot",
    "before_worker_thread_shutdown",
}  # fmt: skip


class Recorder(Middleware):
    """Notes the hooks of attempts, and what else happened in between."""

    def __init__(self, name: str, said: list[str]) -> None:
        for hook in HOOKS - {"before_enqueue", "after_enqueue"}:
            setattr(self, hook, lambda *args, hook=hook, **kwargs: said.append(f"{name}{hook}"))


class Silent(Consumer):
    """A consumer that yields nothing and notes how jobs end."""

    def __init__(self, said: list[str]) -> None:
        self._said = said

    def __next__(self) -> None:
        Event().wait(0.01)  # as a consumer that blocks on its queue

    def ack(self, message: MessageProxy) -> None:
        self._said.append("ack")

    def nack(self, message: MessageProxy) -> None:
        self._said.append("nack")

    def requeue(self, messages: Any) -> None:
        self._said.append(f"requeue {len(list(messages))}")


class PlainBroker(Broker):
    """Dramatiq's broker as it is, with consumers that yield nothing."""

    def __init__(self, said: list[str], middleware: list[Middleware]) -> None:
        super().__init__(middleware=middleware)
        self._said = said

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30_000) -> Consumer:
        return Silent(self._said)

    def declare_queue(self, queue_name: str) -> None:
        self.queues[queue_name] = None
        self.emit_after("declare_queue", queue_name)
