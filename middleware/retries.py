"""Retries: decide what becomes of a failed attempt. The decision is committed with the finish, by the pump."""

from __future__ import annotations

import logging
import random
from typing import Any

from dramatiq import Broker, Middleware
from dramatiq.broker import MessageProxy
from dramatiq.errors import RateLimitExceeded, Retry
from dramatiq.middleware import Shutdown

from callboard.door import MAX_DELAY_MS
from callboard.errors import Deferred, JobCancelled, LeaseLost, PermanentError
from callboard.worker.finish import BACK, CANCELLED, DEFERRED, FAILED, RETRY, described
from callboard.worker.job import Job

logger = logging.getLogger("callboard.retries")

#: Exponents beyond this change nothing: the cap has been reached long before.
_MAX_EXPONENT = 32


class Retries(Middleware):
    """Retries failed jobs with backoff, as the job, its actor or its queue says, in that order.

    Options of jobs and actors: ``max_attempts`` (executions, the first included), ``backoff`` ("exponential" or
    "fixed"), ``backoff_base_ms``, ``backoff_cap_ms``; and Dramatiq's ``max_retries``, ``min_backoff``,
    ``max_backoff`` (ms), ``retry_when``, ``throws``, ``on_retry_exhausted``.

    ``PermanentError`` and errors in ``throws`` fail at once. ``dramatiq.Retry(delay=…)`` and an error that has
    ``retry_after`` (seconds) say how long to wait. ``RateLimitExceeded`` and ``Deferred`` (``current_job().defer``)
    defer the job and cost no attempt; nor does a shutdown that the actor asked to be told of.
    """

    @property
    def actor_options(self) -> set[str]:
        """The options that actors may declare."""
        return {
            "max_attempts", "backoff", "backoff_base_ms", "backoff_cap_ms", "max_retries", "min_backoff",
            "max_backoff", "retry_when", "throws", "on_retry_exhausted",
        }  # fmt: skip

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Tell the job how often it may run, and whether this is its last attempt."""
        assert isinstance(message, Job)
        actor_options = broker.actors[message.actor_name].options
        options = message.options
        message.max_attempts = (
            _max_attempts(options) or _max_attempts(actor_options) or message.spec.max_attempts
            if options or actor_options
            else message.spec.max_attempts
        )
        message.is_last_attempt = message.attempt >= message.max_attempts

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        """Decide: retry, defer, fail, or give back."""
        if exception is None:
            return
        assert isinstance(message, Job)
        if isinstance(exception, (Shutdown, LeaseLost)):
            message.outcome = BACK
            return
        if isinstance(exception, JobCancelled):
            message.outcome = CANCELLED
            return
        if isinstance(exception, Deferred):
            message.outcome, message.delay_ms, message.reason = DEFERRED, int(exception.seconds * 1000), str(exception)
            return
        message.error = described(exception)
        actor_options = broker.actors[message.actor_name].options
        options = {**actor_options, **message.options}
        if isinstance(exception, RateLimitExceeded):
            message.outcome, message.delay_ms = DEFERRED, _backoff_ms(message, actor_options, 1)
            return
        if _may_retry(message, options, exception):
            message.outcome = RETRY
            message.delay_ms = _delay_ms(message, actor_options, exception)
            message.options["retries"] = message.attempt
            return
        message.outcome = FAILED
        message.reason = f"{message.error[0]}: {message.error[1]}" if message.error[1] else message.error[0]
        message.fail()
        target = options.get("on_retry_exhausted")
        if target and not _is_permanent(options, exception):
            counts = {"retries": message.attempt - 1, "max_retries": message.max_attempts - 1}
            broker.get_actor(target).send(message.asdict(), counts)

    def before_nack(self, broker: Broker, message: MessageProxy) -> None:
        """A job that another middleware failed (age limit …) says why."""
        assert isinstance(message, Job)
        if message.outcome is None and message.exception is not None and message.error is None:
            message.error = described(message.exception)
            message.reason = message.error[1] or message.error[0]


def _max_attempts(options: dict[str, Any]) -> int:
    """What ``options`` say of the number of executions; 0: nothing."""
    attempts: int | None = options.get("max_attempts")
    if attempts:
        return attempts
    retries: int | None = options.get("max_retries")
    return 0 if retries is None else retries + 1


def _is_permanent(options: dict[str, Any], exception: BaseException) -> bool:
    throws = options.get("throws")
    return isinstance(exception, PermanentError) or bool(throws and isinstance(exception, throws))


def _may_retry(job: Job, options: dict[str, Any], exception: BaseException) -> bool:
    if _is_permanent(options, exception):
        return False
    retry_when = options.get("retry_when")
    if retry_when is not None:
        try:
            return bool(retry_when(job.attempt - 1, exception))
        except Exception:
            # An error here would leave the job undecided, and an undecided job counts as completed.
            logger.exception("retry_when of actor %s failed; max_attempts decides", job.actor_name)
    return not job.is_last_attempt


def _delay_ms(job: Job, actor_options: dict[str, Any], exception: BaseException) -> int:
    asked: Any = getattr(exception, "retry_after", None)
    if isinstance(asked, (int, float)) and not isinstance(asked, bool):
        asked *= 1000
    else:
        asked = None
    if isinstance(exception, Retry) and exception.delay is not None:
        asked = exception.delay
    if asked is not None and asked >= 0:
        return int(min(asked, MAX_DELAY_MS))
    return _backoff_ms(job, actor_options, job.attempt)


def _backoff_ms(job: Job, actor_options: dict[str, Any], failures: int) -> int:
    """The wait after ``failures`` failed attempts (ms): base × 2^(failures−1), capped, with jitter added."""
    spec = job.spec
    base = _first(job.options, actor_options, ("backoff_base_ms", "min_backoff"), spec.backoff_base_ms)
    cap = _first(job.options, actor_options, ("backoff_cap_ms", "max_backoff"), spec.backoff_cap_ms)
    kind = job.options.get("backoff") or actor_options.get("backoff") or spec.backoff
    delay = base if kind == "fixed" else base * 2 ** min(failures - 1, _MAX_EXPONENT)
    return int(min(delay, cap) * (1 + random.uniform(0, spec.backoff_jitter)))


def _first(options: dict[str, Any], actor_options: dict[str, Any], names: tuple[str, ...], default: int) -> int:
    """What the job says, under either name, or else its actor, or else its queue."""
    for said in (options, actor_options):
        for name in names:
            value: int | None = said.get(name)
            if value is not None:
                return value
    return default
