"""What an ended job tells Redis: its outcome and all that is committed with it."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from dramatiq.message import get_encoder

from callboard.settings import Settings
from callboard.verbs.cycle import Finish
from callboard.worker.job import Job

logger = logging.getLogger("callboard.finish")

COMPLETED, RETRY, DEFERRED, FAILED, CANCELLED, BACK = "c", "r", "d", "f", "x", "b"

#: Characters of an error's type and message that are kept.
_TYPE_MAX, MESSAGE_MAX = 200, 2_000

#: Frames of a traceback that are kept, the innermost.
_FRAMES = 30


def finish_of(job: Job, settings: Settings) -> Finish:
    """The finish of an ended job, as ``cycle.lua`` takes it. Never raises: a job whose end cannot be told fails."""
    try:
        return _finish_of(job, settings)
    except Exception as error:
        # Without its finish a job would be held for ever, and with it all that ended in this turn.
        logger.critical("the end of job %s cannot be told to Redis as it is", job.message_id, exc_info=True)
        reason = f"what the attempt brought about cannot be stored: {type(error).__name__}"
        return job.stored_id, job.number, FAILED, 0, {"reason": reason}


def _finish_of(job: Job, settings: Settings) -> Finish:
    outcome = job.outcome or (FAILED if job.failed else COMPLETED)
    extra: dict[str, Any] = {}
    if outcome in (RETRY, DEFERRED):
        extra["delay"] = job.delay_ms
    if outcome != COMPLETED:
        _describe(job, extra, settings)
    if outcome != BACK:
        if job.result is not None:
            extra["result"] = job.result
            if job.result_ttl_ms is not None:
                extra["result_ttl"] = job.result_ttl_ms
        if job.outbox:
            extra["outbox"] = job.outbox
    return job.stored_id, job.number, outcome, job.duration, extra or None


def described(exception: BaseException) -> tuple[str, str, str]:
    """(type, message, traceback) of an error, also of one that fails when it is asked for its message."""
    try:
        message = str(exception)
    except Exception as error:  # noqa: BLE001 - an application's error may do anything in __str__
        message = f"its message cannot be shown: {type(error).__name__}"
    text = "".join(traceback.format_exception(exception, limit=-_FRAMES))
    return type(exception).__name__, message, text


def refuse(job: Job, kind: str, why: str) -> None:
    """What the success of this attempt brings about cannot be committed: the job fails at once, says why, and brings
    about nothing."""
    job.failed, job.result, job.outbox = True, None, None
    job.error, job.reason = (kind, why, ""), why


def _describe(job: Job, extra: dict[str, Any], settings: Settings) -> None:
    if job.error is not None:
        kind, message, traceback = job.error
        extra["error"] = (_clean(kind[:_TYPE_MAX]), _clean(message[:MESSAGE_MAX]), _tail(traceback, settings))
    if job.reason:
        extra["reason"] = _clean(job.reason[:MESSAGE_MAX])
    if job.options != job.original_options:
        try:
            extra["options"] = get_encoder().encode(job.options)
        except Exception:  # noqa: BLE001 - an encoder of the application's own raises what it likes
            logger.warning("job %s: changed options cannot be stored and are dropped", job.message_id)


def _tail(traceback: str, settings: Settings) -> str:
    """The end of a traceback, where the error is."""
    return _clean(traceback[-settings.traceback_max :]) if settings.traceback_max else ""


def _clean(text: str) -> str:
    """Lone surrogates cannot be encoded."""
    return text.encode("utf-8", "replace").decode()
