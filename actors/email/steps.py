"""The places at which a process may die with an email job half done; see :mod:`callboard.steps`."""

from __future__ import annotations

from callboard.steps import Step


class EmailStep(Step):
    """In the order in which an attempt comes to them."""

    #: Message-ID and Date are noted; nothing was sent.
    PREPARED = "prepared"
    #: The server took the message for somebody; that is not noted yet. Whoever dies here sends it again.
    ACCEPTED = "accepted"
    #: It is noted who has the message; the attempt has not ended.
    NOTED = "noted"
