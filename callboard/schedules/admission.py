"""The jobs of schedules pass the same door as all others: when the schedule is made, and at every tick."""

from __future__ import annotations

from callboard.catalogue import Catalogue
from callboard.door import check_names
from callboard.registry import ActorRegistry
from callboard.schedules.definition import Definition
from callboard.settings import Settings
from callboard.verbs.add import NewJob


class Admission:
    """Makes the jobs of schedules."""

    def __init__(self, registry: ActorRegistry, catalogue: Catalogue, settings: Settings) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._settings = settings

    def check(self, definition: Definition) -> None:
        """Check that a schedule's jobs could be added now.

        Raises: UnknownQueue, UnknownActor, InvalidOption, PayloadInvalid, PayloadTooLarge.
        """
        check_names(definition.options, self._settings.job_options)
        self.job(definition, "check", 0, 0)

    def job(self, definition: Definition, job_id: str, due_ms: int, now_ms: int) -> NewJob:
        """A job of a schedule, due at ``due_ms`` (0: at once), made at ``now_ms``.

        Raises: as :meth:`check`.
        """
        spec = self._catalogue[definition.queue]
        job = self._registry.admit(
            spec, definition.actor, definition.payload, definition.options, job_id, timestamp=now_ms
        )
        job.due_ms = due_ms
        return job
