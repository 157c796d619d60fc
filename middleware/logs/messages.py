"""Dramatiq's own lines, without what is in a message: at level debug it logs the arguments of every job in clear."""

from __future__ import annotations

import copy
import logging

from dramatiq import Message
from dramatiq.broker import MessageProxy

#: How Dramatiq's actor begins the line that has nothing but a job's arguments (dramatiq/actor.py, ``__call__``).
_ARGUMENTS = "Received args="


def without_arguments(record: logging.LogRecord) -> logging.LogRecord | None:
    """``record`` with ``actor(…)`` in the place of messages; None for one that has nothing else to say.

    Returns: the record itself where nothing is to be changed, else a copy: other handlers get it as it was logged.
    """
    if not isinstance(record.msg, str):
        return record
    if record.msg.startswith(_ARGUMENTS):
        return None
    if not isinstance(record.args, tuple) or not any(isinstance(each, Message | MessageProxy) for each in record.args):
        return record
    shown = copy.copy(record)
    shown.args = tuple(f"{a.actor_name}(…)" if isinstance(a, Message | MessageProxy) else a for a in record.args)
    return shown
