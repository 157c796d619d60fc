"""Jobs and schedules as they may be shown: without the secrets that :mod:`callboard.masking` knows. What is stored
stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from callboard.masking import mask_payload, mask_secrets, mask_text
from callboard.records import JobView
from callboard.schedules.state import Schedule
from callboard.verbs.telling import JobDetails


def shown_job(job: JobView, schema: Mapping[str, Any] | None) -> JobView:
    """A copy of ``job``: fields masked by their names and by the ``schema`` that its actor published (None: not
    known), reason, errors and tracebacks by the form of what is in them."""
    attempts = [
        replace(each, error_message=mask_text(each.error_message), traceback=mask_text(each.traceback))
        for each in job.attempts
    ]
    return replace(
        job, payload=mask_payload(job.payload, schema), args=tuple(mask_secrets(job.args)),
        options=mask_secrets(job.options), reason=mask_text(job.reason), attempts=attempts,
    )  # fmt: skip


def shown_details(told: JobDetails) -> JobDetails:
    """A copy of ``told``: progress and checkpoints masked by the names in them, log lines by their form."""
    return JobDetails(
        [(at, mask_text(line)) for at, line in told.log], mask_secrets(told.progress), mask_secrets(told.checkpoints)
    )


def shown_schedule(schedule: Schedule, schema: Mapping[str, Any] | None) -> Schedule:
    """A copy of ``schedule``, masked as its jobs are."""
    definition = schedule.definition
    shown = replace(
        definition, payload=mask_payload(definition.payload, schema), options=mask_secrets(definition.options)
    )
    return replace(schedule, definition=shown, last_error=mask_text(schedule.last_error))
