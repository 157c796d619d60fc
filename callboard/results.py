"""Dramatiq's Results on Callboard: what a job returns is committed with the finish of the attempt that made it.

``store_result`` on a worker thread only records on the job; the finish script writes it, if the attempt still holds its
token. How long it stays:

- without a ``result_ttl`` a result lives as long as its job's record: it goes when the job is trimmed, cleaned or
  removed. None takes no room (a completed job without a result returned None), nor does a failure (the record has it).
- with a ``result_ttl`` (of the message, the actor or the middleware; ms) a result, None or a failure lives so long,
  whether the record goes earlier or later.
- a job that is removed, retried or added anew under its id has no result in either case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dramatiq.common import q_name
from dramatiq.message import Message
from dramatiq.results import ResultBackend, Results
from dramatiq.results.backend import Missing
from dramatiq.results.result import wrap_exception, wrap_result

from callboard.store.store import Store
from callboard.verbs.result import look
from callboard.worker.finish import MESSAGE_MAX, refuse
from callboard.worker.job import Job

if TYPE_CHECKING:
    from callboard.broker import CallboardBroker

#: What to do about a value that cannot be kept.
_ADVICE = "write it to the artifact store and return its reference"


class CallboardResults(ResultBackend):
    """The result backend: ``broker.add_middleware(Results(backend=CallboardResults(broker.store)))``."""

    def __init__(self, store: Store) -> None:
        super().__init__(namespace="callboard-results")
        self._store_of_results = store

    def build_message_key(self, message: Message[Any]) -> str:
        """``queue/id``: results are found by their job, not by a key of their own."""
        return f"{q_name(message.queue_name)}/{message.message_id}"

    def store_result(self, message: Message[Any], result: Any, ttl: int | None) -> None:
        """Record the result on the job of this thread. It is written with the finish, for ``ttl`` ms; without one it
        stays with the job, where None needs no writing."""
        if (result is not None or ttl is not None) and isinstance(message, Job):
            self.record(message, wrap_result(result), ttl)

    def store_exception(self, message: Message[Any], exception: Exception, ttl: int | None) -> None:
        """Nothing: :func:`keep_failure` has recorded it before the nack, since the finish is on its way by now."""

    def record(self, job: Job, wrapped: Any, ttl: int | None) -> None:
        """Record a wrapped result on the job; one that cannot be stored fails the job for good and says so."""
        try:
            encoded = self.encoder.encode(wrapped)
        except Exception as error:  # noqa: BLE001 - an encoder of the application's own raises what it likes
            why = f"the return value cannot be stored ({error}): return plain data, or {_ADVICE}"
            refuse(job, "ResultInvalid", why)
            return
        if len(encoded) > self.max_bytes:
            why = f"the return value is {len(encoded):,} bytes; {self.max_bytes:,} are allowed: {_ADVICE}"
            refuse(job, "ResultTooLarge", why)
            return
        job.result, job.result_ttl_ms = encoded, ttl

    @property
    def max_bytes(self) -> int:
        """The largest encoded result that is stored."""
        return self._store_of_results.settings.result_max_bytes

    def _get(self, message_key: str) -> Any:
        queue, _, job_id = message_key.partition("/")
        ending = look(self._store_of_results, queue, job_id)
        if ending.result:
            return self.encoder.decode(ending.result)
        if ending.result is None and ending.state == "completed":
            return None
        return _failure(*ending.error) if ending.state in ("failed", "cancelled") else Missing


def keep_failure(broker: CallboardBroker, job: Job) -> None:
    """Record the exception of a failed job as its result, if results have a time of their own here: else the job's
    record says it for as long as there is one. What its actor returned, before a middleware failed it, is no result."""
    job.result, job.result_ttl_ms = None, None
    middleware = next((m for m in broker.middleware if isinstance(m, Results)), None)
    if middleware is None or not isinstance(middleware.backend, CallboardResults):
        return
    actor = broker.actors.get(job.actor_name)
    options = {**(actor.options if actor else {}), **job.options}
    ttl = options.get("result_ttl", middleware.result_ttl)
    if ttl is not None and options.get("store_results", middleware.store_results):
        kind, message = job.error[:2] if job.error else ("Exception", job.reason or "unknown")
        # An encoded character takes twelve bytes at most.
        most = min(MESSAGE_MAX, middleware.backend.max_bytes // 12)
        middleware.backend.record(job, _failure(kind, message[:most]), ttl)


def _failure(kind: str, message: str) -> Any:
    """What Dramatiq keeps of an exception of type ``kind``."""
    wrapped = wrap_exception(Exception(message))
    wrapped["exn"]["type"] = kind
    return wrapped
