"""Queue ``email-notifications``: one job is one email. What happens is in ``actors.email``."""

from __future__ import annotations

from typing import Any

import dramatiq

from actors.email.payload import EmailPayload
from actors.email.sending import send
from callboard import current_job


@dramatiq.actor(queue_name="email-notifications", actor_name="send_email", store_results=True, payload=EmailPayload)
def send_email(payload: EmailPayload) -> dict[str, Any]:
    """Send an email to everybody who has not got it from an earlier attempt of this job.

    Returns: ``{"message_id", "accepted", "refused"}``.

    Raises:
        PermanentError: the settings or the template do not fit, or recipients were refused for good.
        EmailRetryable: somebody is still to be tried.
        NoCurrentJob: it was called directly. What was sent is kept with the job, so there has to be one.
    """
    return send(payload, current_job())
