"""One attempt of an email job, from its arguments to its result or its error."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, NoReturn

import structlog

from actors.email.errors import DeliveryUnknown, EmailRetryable, RecipientsDeferred, ServerUnavailable
from actors.email.message import build_message
from actors.email.payload import EmailPayload, parse_payload
from actors.email.progress import STATE_KEY, Progress, message_id_for
from actors.email.rendering import render
from actors.email.settings import SmtpSettings, load_smtp_settings
from actors.email.smtp import Outcome, Reply, deliver
from callboard.errors import PermanentError

log = structlog.get_logger(__name__)

#: Recipients spelled out in a reason; a reason is for people.
_SHOWN = 5


def send(
    arguments: Mapping[str, Any],
    *,
    job_id: str | None,
    options: MutableMapping[str, Any],
    last_attempt: bool = False,
    settings: SmtpSettings | None = None,
) -> dict[str, Any]:
    """Send the email that ``arguments`` describe to everybody who has not got it yet.

    Args:
        arguments: the job's keyword arguments, see ``EmailPayload``.
        job_id: None when there is no job.
        options: kept from attempt to attempt; read and written under ``email_state``.
        last_attempt: no other attempt follows; what fails is logged as an error.
        settings: default: read from the environment.

    Returns: ``{"message_id", "accepted": how many got it, "refused": {}}``.

    Raises:
        PermanentError: nothing is left to try, and not everybody got it.
        RecipientsDeferred, ServerUnavailable, DeliveryUnknown: worth another attempt.
    """
    recipients: dict[str, str] = {}
    try:
        payload = parse_payload(arguments)
        recipients = payload.recipients
        return _attempt(payload, settings or load_smtp_settings(), job_id, options, last_attempt=last_attempt)
    except (PermanentError, EmailRetryable) as error:
        final = last_attempt or isinstance(error, PermanentError)
        write = log.error if final else log.warning
        served = (options.get(STATE_KEY) or {}).get("accepted", [])
        without = [who for who in recipients if who not in served]
        write("email failed" if final else "email deferred", job_id=job_id, reason=str(error), recipients=without)
        raise


def _attempt(
    payload: EmailPayload,
    settings: SmtpSettings,
    job_id: str | None,
    options: MutableMapping[str, Any],
    *,
    last_attempt: bool,
) -> dict[str, Any]:
    sender = settings.sender_mailbox
    recipients = payload.recipients
    fresh_id = message_id_for(job_id, recipients, payload.subject, settings.id_domain)
    progress = Progress.load(options.get(STATE_KEY), message_id=fresh_id, now=datetime.now(UTC).replace(microsecond=0))
    content = render(payload, sender_name=sender.name or sender.address.rpartition("@")[2])
    message = build_message(payload, content, sender=sender, message_id=progress.message_id, date=progress.date)

    outcome = Outcome()
    try:
        if pending := progress.pending(recipients):
            deliver(message.as_bytes(), sender.address, pending, settings, outcome)
    finally:
        # Also when the attempt is interrupted: who has the message must not get it again.
        progress.absorb(outcome)
        left = progress.pending(recipients)
        progress.settled = last_attempt or outcome.hopeless is not None or not left
        options[STATE_KEY] = progress.dump()

    if outcome.hopeless is not None:
        raise PermanentError(f"no email can be sent: {outcome.hopeless}. {_tally(progress, recipients)}")
    if left:
        _try_again(outcome, progress, recipients, left)
    if progress.refused:
        raise PermanentError(f"{_tally(progress, recipients)}; refused for good: {_spell_out(progress.refused)}")
    result = {"message_id": progress.message_id, "accepted": len(recipients), "refused": {}}
    log.info("email sent", job_id=job_id, workspace=payload.workspace, **result)
    return result


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
