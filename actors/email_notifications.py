"""Queue ``email-notifications``: one job is one email. What happens is in ``actors.email``."""

from __future__ import annotations

from typing import Any

import dramatiq

from actors.current_job import current_job
from actors.email.sending import send


@dramatiq.actor(queue_name="email-notifications", actor_name="send_email", store_results=True)
def send_email(**payload: Any) -> dict[str, Any]:
    """Send an email to everybody who has not got it from an earlier attempt of this job.

    Args:
        payload: the fields of ``actors.email.payload.EmailPayload``.

    Returns: ``{"message_id", "accepted", "refused"}``.

    Raises:
        PermanentError: the payload or the settings do not fit, or recipients were refused for good.
        EmailRetryable: somebody is still to be tried.
    """
    job = current_job()
    return send(payload, job_id=job.id, options=job.options, last_attempt=job.is_last_attempt)
