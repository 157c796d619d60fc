"""The steps of forwarding a notification at which a process may die with something done and the rest not."""

from __future__ import annotations

from callboard.steps import Step


class AlertStep(Step):
    """In the order in which an attempt comes to them."""

    #: The text is ready; the target has heard nothing of this attempt.
    SENDING = "sending"
    #: The target has taken it; the attempt is not committed.
    TAKEN = "taken"
