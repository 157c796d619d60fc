"""One attempt of an email job, from its payload to its result or its error."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import structlog

from actors.email.errors import DeliveryUnknown, EmailRetryable, RecipientsDeferred, ServerUnavailable
from actors.email.message import build_message
from actors.email.payload import EmailPayload
from actors.email.progress import Notebook, Progress, message_id_for
from actors.email.rendering import render
from actors.email.settings import SmtpSettings, load_smtp_settings
from actors.email.smtp import Outcome, Reply, deliver
from actors.email.steps import EmailStep
from callboard import CurrentJob
from callboard.errors import LeaseLost, PermanentError, StoreRefused, StoreUnavailable
from callboard.steps import reached

log = structlog.get_logger(__name__)

#: Recipients spelled out in a reason; a reason is for people.
_SHOWN = 5


def send(payload: EmailPayload, job: CurrentJob, *, settings: SmtpSettings | None = None) -> dict[str, Any]:
    """Send the email that ``payload`` describes to everybody who has not got it yet.

    Args:
        payload: the job's.
        job: keeps what was done, as its checkpoint ``email_state``.
        settings: default: read from the environment.

    Returns: ``{"message_id", "accepted": how many got it, "refused": {}}``.

    Raises:
        PermanentError: nothing is left to try, and not everybody got it.
        RecipientsDeferred, ServerUnavailable, DeliveryUnknown: worth another attempt.
        StoreUnavailable: Redis did not say what earlier attempts did; nothing was sent.
    """
    notebook = Notebook(job)
    try:
        return _attempt(payload, settings or load_smtp_settings(), job, notebook)
    except (PermanentError, EmailRetryable) as error:
        final = job.is_last or isinstance(error, PermanentError)
        write = log.error if final else log.warning
        without = [who for who in payload.recipients if who not in notebook.accepted]
        write("email failed" if final else "email deferred", job_id=job.id, reason=str(error), recipients=without)
        raise


def _attempt(payload: EmailPayload, settings: SmtpSettings, job: CurrentJob, notebook: Notebook) -> dict[str, Any]:
    sender = settings.sender_mailbox
    recipients = payload.recipients
    fresh_id = message_id_for(job.id, recipients, payload.subject, settings.id_domain)
    progress = Progress.load(notebook.written, message_id=fresh_id, now=datetime.now(UTC).replace(microsecond=0))
    content = render(payload, sender_name=sender.name or sender.address.rpartition("@")[2])
    message = build_message(payload, content, sender=sender, message_id=progress.message_id, date=progress.date)

    outcome = Outcome()
    if progress.pending(recipients):
        notebook.write(progress)  # the Date above all: a copy that is sent again must be the same message
        reached(EmailStep.PREPARED)
        _converse(message.as_bytes(), settings, job, notebook, progress, recipients, outcome)

    left = progress.pending(recipients)
    if outcome.hopeless is not None:
        raise PermanentError(f"no email can be sent: {outcome.hopeless}. {_tally(progress, recipients)}")
    if left:
        _try_again(outcome, progress, recipients, left)
    if progress.refused:
        raise PermanentError(f"{_tally(progress, recipients)}; refused for good: {_spell_out(progress.refused)}")
    result = {"message_id": progress.message_id, "accepted": len(recipients), "refused": {}}
    log.info("email sent", job_id=job.id, workspace=payload.workspace or job.workspace or None, **result)
    return result


def _converse(
    raw: bytes,
    settings: SmtpSettings,
    job: CurrentJob,
    notebook: Notebook,
    progress: Progress,
    recipients: dict[str, str],
    outcome: Outcome,
) -> None:
    """Send ``raw`` to those who are left, and note what became of each as soon as the server has said it."""

    def note() -> None:
        progress.absorb(outcome)
        progress.settled = job.is_last or outcome.hopeless is not None or not progress.pending(recipients)
        notebook.write(progress)

    def answered() -> None:
        if outcome.accepted:
            reached(EmailStep.ACCEPTED)
        # Redis may be away for a moment; the message is out, so there is a second try after the goodbye.
        with contextlib.suppress(StoreUnavailable, StoreRefused):
            note()
        if outcome.accepted:
            reached(EmailStep.NOTED)

    try:
        deliver(raw, settings.sender_mailbox.address, progress.pending(recipients), settings, outcome, answered)
        note()
    except (StoreUnavailable, StoreRefused) as error:
        # The attempt ends as the server's answers say, which needs no note when everybody has the message.
        log.warning("what was sent could not be noted", job_id=job.id, reason=str(error))
    except BaseException:
        # An interrupt can come between any two lines, but only once an attempt: this note is not interrupted.
        with contextlib.suppress(StoreUnavailable, StoreRefused, LeaseLost):
            note()
        raise


def _try_again(
    outcome: Outcome, progress: Progress, recipients: Mapping[str, str], left: Mapping[str, str]
) -> NoReturn:
    tally = _tally(progress, recipients)
    if outcome.unknown:
        raise DeliveryUnknown(
            f"the connection broke after the message was sent, before the server confirmed it ({outcome.unavailable}); "
            f"it will be sent again under the same Message-ID. {tally}"
        )
    if outcome.unavailable is not None:
        raise ServerUnavailable(f"the SMTP server is not available: {outcome.unavailable}. {tally}")
    deferred = {who: outcome.deferred[who] for who in left if who in outcome.deferred}
    raise RecipientsDeferred(f"{tally}; to be tried again: {_spell_out(deferred)}")


def _tally(progress: Progress, recipients: Mapping[str, str]) -> str:
    got = sum(who in progress.accepted for who in recipients)
    return f"{got} of {len(recipients)} recipients got the message"


def _spell_out(replies: Mapping[str, Reply]) -> str:
    shown = [f"{who} ({reply})" for who, reply in list(replies.items())[:_SHOWN]]
    if more := len(replies) - len(shown):
        shown.append(f"and {more} more")
    return ", ".join(shown)
