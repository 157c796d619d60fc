"""The maintenance jobs of the demo: added when all else has ended, so that what they find is known beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field

from demo import emails, webhooks
from demo.jobs import Planned

QUEUE = "maintenance"

#: A clean that only counts: everything that ended well in the queues that were in use, however young.
_POLICY = {"queues": [emails.QUEUE, webhooks.QUEUE], "older_than_s": 0, "dry_run": True}


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The three jobs."""

    report: Planned = field(default_factory=lambda: Planned("queue-report", QUEUE, "report_queues"))
    health: Planned = field(default_factory=lambda: Planned("health-check", QUEUE, "check_health"))
    clean: Planned = field(default_factory=lambda: Planned("clean-rehearsal", QUEUE, "clean_completed", _POLICY))

    @property
    def jobs(self) -> list[Planned]:
        """All of them."""
        return [self.report, self.health, self.clean]
