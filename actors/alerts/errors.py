"""The errors of forwarding alerts.

::

    NotTaken                            the target has not taken the notification; another attempt is due
    callboard.errors.PermanentError
    ├── AlertsMisconfigured             the settings cannot be read; names the one that is wrong
    ├── UnknownTarget                   no target of that name is configured (any more)
    └── UnknownService                  no service understands the target's URL
"""

from __future__ import annotations

from callboard.errors import PermanentError


class NotTaken(Exception):
    """The target has not taken the notification. Its message has no secret of the target in it."""


class AlertsMisconfigured(PermanentError):
    """The targets of alerts cannot be read from the settings. Correct the named one."""


class UnknownTarget(PermanentError):
    """No target of that name is configured. Add it to CALLBOARD_ALERTS_TARGETS, and retry the job."""


class UnknownService(PermanentError):
    """No service understands the target's URL. Correct it in CALLBOARD_ALERTS_TARGETS, and retry the job."""
