"""What an ended job tells Redis: its outcome and all that is committed with it."""

from __future__ import annotations

import logging
from typing import Any

from dramatiq.message import get_encoder

from callboard.settings import Settings
from callboard.verbs.cycle import Finish
from callboard.worker.job import Job

logger = logging.getLogger("callboard.finish")

COMPLETED, RETRY, DEFERRED, FAILED, CANCELLED, BACK = "c", "r", "d", "f", "x", "b"

#: Characters of an error's type and message that are kept.
_TYPE_MAX, _MESSAGE_MAX = 200, 2_000


def finish_of(job: Job, settings: Settings) -> Finish:
    """The finish of an ended job, as ``cycle.lua`` takes it."""
    outcome = job.outcome or (FAILED if job.failed else COMPLETED)
    extra: dict[str, Any] = {}
    if outcome in (RETRY, DEFERRED):
        extra["delay"] = job.delay_ms
    if outcome != COMPLETED:
        _describe(job, extra, settings)
    if outcome != BACK:
        if job.result is not None:
            extra["result"], extra["result_ttl"] = job.result, job.result_ttl_ms
        if job.outbox:
            extra["outbox"] = job.outbox
    return job.stored_id, job.number, outcome, job.duration, extra or None


def _describe(job: Job, extra: dict[str, Any], settings: Settings) -> None:
    if job.error is not None:
        kind, message, traceback = job.error
        extra["error"] = (_clean(kind[:_TYPE_MAX]), _clean(message[:_MESSAGE_MAX]), _tail(traceback, settings))
    if job.reason:
        extra["reason"] = _clean(job.reason[:_MESSAGE_MAX])
    if job.options != job.original_options:
        try:
            extra["options"] = get_encoder().encode(job.options)
        except (TypeError, ValueError):
            logger.warning("job %s: changed options cannot be stored and are dropped", job.message_id)


def _tail(traceback: str, settings: Settings) -> str:
    """The end of a traceback, where the error is."""
    return _clean(traceback[-settings.traceback_max :]) if settings.traceback_max else ""


def _clean(text: str) -> str:
    """Lone surrogates cannot be encoded."""
    return text.encode("utf-8", "replace").decode()
