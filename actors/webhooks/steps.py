"""The steps of a delivery at which a process may die with something done and the rest not."""

from __future__ import annotations

from callboard.steps import Step


class WebhookStep(Step):
    """In the order in which an attempt comes to them."""

    #: Everything is ready; the endpoint has heard nothing of this attempt.
    SENDING = "sending"
    #: The endpoint has answered, or will not; nobody has noted it.
    ANSWERED = "answered"
    #: It is noted with the endpoint and in the job's log; the attempt is not committed.
    NOTED = "noted"
