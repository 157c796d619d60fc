"""Callboard: background jobs on Dramatiq and Redis that can be seen and steered.

The engine lives here: the broker and its Lua, the queue catalogue, the Queue service, settings and the CLI. It knows
no queue and no actor by name, and imports none of the other packages. For sending jobs this package is enough::

    from callboard import QueueService

    service = QueueService()
    service.add_job("email-notifications", "send_email", {"to": ["ada@example.org"], ...})
"""

from callboard.broker import CallboardBroker
from callboard.catalogue import Priority
from callboard.current import CurrentJob, current_job
from callboard.errors import CallboardError, Deferred, JobFailed, PermanentError, ResultMissing
from callboard.flows.plan import chain, group, step
from callboard.service import QueueService
from callboard.settings import Settings

__all__ = [
    "CallboardBroker", "CallboardError", "CurrentJob", "Deferred", "JobFailed", "PermanentError", "Priority",
    "QueueService", "ResultMissing", "Settings", "chain", "current_job", "group", "step",
]  # fmt: skip
