"""Dramatiq's Results on Callboard: a result is committed with the finish of the attempt that made it.

``store_result`` on a worker thread only records on the job; the finish script writes it, if the attempt still holds its
token. Results live in the queue's ``results`` hash until their ``result_ttl`` has passed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dramatiq.common import q_name
from dramatiq.message import Message
from dramatiq.results import ResultBackend, Results
from dramatiq.results.backend import Missing
from dramatiq.results.result import wrap_exception, wrap_result

from callboard.ids import pack_id
from callboard.store.store import Store
from callboard.worker.finish import MESSAGE_MAX, refuse
from callboard.worker.job import Job

if TYPE_CHECKING:
    from callboard.broker import CallboardBroker


class CallboardResults(ResultBackend):
    """The result backend: ``broker.add_middleware(Results(backend=CallboardResults(broker.store)))``."""

    def __init__(self, store: Store) -> None:
        super().__init__(namespace="callboard-results")
        self._store_of_results = store

    def build_message_key(self, message: Message[Any]) -> str:
        """``queue/id``: results are found by their job, not by a key of their own."""
        return f"{q_name(message.queue_name)}/{message.message_id}"

    def store_result(self, message: Message[Any], result: Any, ttl: int) -> None:
        """Record the result on the job of this thread; ``ttl`` in ms. It is written with the finish."""
        if isinstance(message, Job):
            self.record(message, wrap_result(result), ttl)

    def store_exception(self, message: Message[Any], exception: Exception, ttl: int) -> None:
        """Nothing: :func:`keep_failure` has recorded it before the nack, since the finish is on its way by now."""

    def record(self, job: Job, wrapped: Any, ttl: int) -> None:
        """Record a wrapped result on the job; one that cannot be stored fails the job and says so."""
        try:
            encoded = self.encoder.encode(wrapped)
        except Exception as error:  # noqa: BLE001 - an encoder of the application's own raises what it likes
            refuse(job, "ResultInvalid", f"the return value cannot be stored: {error}")
            return
        if len(encoded) > self.max_bytes:
            refuse(job, "ResultTooLarge", f"the return value is {len(encoded)} bytes; {self.max_bytes} are allowed")
            return
        job.result, job.result_ttl_ms = encoded, ttl

    @property
    def max_bytes(self) -> int:
        """The largest encoded result that is stored."""
        return self._store_of_results.settings.result_max_bytes

    def _get(self, message_key: str) -> Any:
        queue, _, job_id = message_key.partition("/")
        encoded = self._store_of_results.call("get_result", queue, (pack_id(job_id),))
        return self.encoder.decode(encoded) if encoded else Missing


def keep_failure(broker: CallboardBroker, job: Job) -> None:
    """Record the exception of a failed job as its result, if its actor stores results."""
    middleware = next((m for m in broker.middleware if isinstance(m, Results)), None)
    if middleware is None or not isinstance(middleware.backend, CallboardResults):
        return
    actor = broker.actors.get(job.actor_name)
    options = {**(actor.options if actor else {}), **job.options}
    if options.get("store_results", middleware.store_results):
        kind, message = job.error[:2] if job.error else ("Exception", job.reason or "unknown")
        # An encoded character takes twelve bytes at most.
        wrapped = wrap_exception(Exception(message[: min(MESSAGE_MAX, middleware.backend.max_bytes // 12)]))
        wrapped["exn"]["type"] = kind
        middleware.backend.record(job, wrapped, options.get("result_ttl", middleware.result_ttl))
