"""Failures worth another attempt. What can never succeed is ``callboard.errors.PermanentError`` instead.

::

    EmailRetryable
    ├── RecipientsDeferred    the server asked for another try, for some recipients or for all
    ├── ServerUnavailable     no conversation came about, or it broke before the message was sent
    └── DeliveryUnknown       the message was sent and the server's answer was lost
"""

from __future__ import annotations


class EmailRetryable(Exception):
    """The email could not be sent to everybody yet; the job's next attempt goes on where this one stopped."""


class RecipientsDeferred(EmailRetryable):
    """The server answered 4xx: it wants to be asked again later."""


class ServerUnavailable(EmailRetryable):
    """The SMTP server could not be reached, or hung up before it had the message: nobody got this attempt's copy."""


class DeliveryUnknown(EmailRetryable):
    """The connection broke after the message was sent; it is sent again under the same Message-ID."""
