"""The errors of webhook deliveries and of the endpoint registry.

::

    WebhookRetryable                    another attempt is due; ``retry_after`` says how long to wait, if anybody asked
    ├── EndpointRefused                 an answer that is not 2xx (a redirect too: none is followed)
    ├── EndpointTimedOut                no answer within the timeout
    └── EndpointUnreachable             no connection, or it broke before the answer
    callboard.errors.PermanentError
    ├── UnknownEndpoint                 there is no such endpoint (any more)
    ├── EndpointDisabled                it is disabled: by a person, or since it failed for days
    ├── EndpointGone                    it answered 410; it is disabled now
    └── AddressBlocked                  its address is none that a worker may connect to
    callboard.errors.BadRequest
    ├── EndpointInvalid                 a value that an endpoint cannot have; names the field
    └── TooManyEndpoints                the workspace has as many as it may
    callboard.errors.CallboardError
    ├── EndpointNotFound                the registry has no endpoint of that id
    └── EndpointChanged                 others changed the endpoint again and again while this call tried to
"""

from __future__ import annotations

from callboard.errors import BadRequest, CallboardError, PermanentError


class WebhookRetryable(Exception):
    """The event was not delivered; the job's next attempt tries again under the same ``webhook-id``.

    ``retry_after``: seconds to wait before it; None: the queue's backoff.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class EndpointRefused(WebhookRetryable):
    """The endpoint answered, and not with 2xx."""


class EndpointTimedOut(WebhookRetryable):
    """The endpoint did not answer in time. It may have taken the event: the ``webhook-id`` tells it the second time."""


class EndpointUnreachable(WebhookRetryable):
    """There was no connection to the endpoint, or it broke before the answer."""


class UnknownEndpoint(PermanentError):
    """There is no such endpoint: it was deleted, or never there."""


class EndpointDisabled(PermanentError):
    """The endpoint is disabled. Enable it and send the event again if it is still wanted."""


class EndpointGone(PermanentError):
    """The endpoint answered 410 Gone and was disabled."""


class AddressBlocked(PermanentError):
    """The endpoint's address is private, reserved or on a port that is not allowed."""


class EndpointInvalid(BadRequest):
    """An endpoint cannot have this value. Correct the named field."""


class TooManyEndpoints(BadRequest):
    """The workspace has as many endpoints as it may. Delete one first."""


class EndpointNotFound(CallboardError):
    """There is no endpoint of that id."""


class EndpointChanged(CallboardError):
    """The endpoint was changed by others again and again meanwhile. Repeat the call."""
