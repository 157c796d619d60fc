"""Where a maintenance job may die with something done and the rest not."""

from __future__ import annotations

from callboard.steps import Step


class MaintenanceStep(Step):
    """The steps, in the order in which the jobs come to them."""

    #: A clean holds its lock; nothing was removed.
    LOCK_TAKEN = "lock-taken"
    #: Jobs were removed and are not counted yet.
    BATCH_REMOVED = "batch-removed"
    #: One queue is clean, the next is not.
    QUEUE_CLEANED = "queue-cleaned"
    #: All queues are clean and the lock is free; the job has not ended.
    LOCK_RETURNED = "lock-returned"
    #: What was found of every queue is noted; the job has not ended.
    HEALTH_NOTED = "health-noted"
    #: The report is kept; its lines are not logged, the job has not ended.
    REPORT_KEPT = "report-kept"
