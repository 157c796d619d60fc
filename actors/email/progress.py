"""What is kept between attempts, so that the next one goes on instead of starting over.

It is the job's checkpoint ``email_state``, which survives retries, stalls and killed processes. Recipients appear as
hashes: everybody who can look at the job sees it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from actors.email.smtp import Outcome, Reply
from callboard import CurrentJob

#: The checkpoint's name.
STATE = "email_state"

#: Job ids may be long and contain ``:``, which RFC 5322 does not allow in a Message-ID.
_NOT_FOR_MESSAGE_ID = re.compile(r"[^A-Za-z0-9-]+")
_MAX_JOB_ID = 40


@dataclass(slots=True)
class Progress:
    """How far the job has come. ``settled``: no other attempt was due, so whatever starts it again is an operator."""

    message_id: str
    date: datetime
    accepted: list[str] = field(default_factory=list)
    refused: dict[str, Reply] = field(default_factory=dict)
    settled: bool = False

    @classmethod
    def load(cls, kept: Any, *, message_id: str, now: datetime) -> Progress:
        """The progress that an earlier attempt kept, or a fresh one.

        An operator who retries a job that had failed wants its refused recipients to be tried again, so their refusals
        are forgotten then. What was accepted never is.

        Args:
            kept: what was dumped, or None.
            message_id: used if none is kept.
            now: becomes the Date header if none is kept; aware.
        """
        if not kept:
            return cls(message_id=message_id, date=now)
        refused = {} if kept.get("settled") else kept.get("refused", {})
        return cls(
            message_id=kept["message_id"],
            date=datetime.fromisoformat(kept["date"]),
            accepted=list(kept.get("accepted", [])),
            refused={who: Reply(int(code), str(text)) for who, (code, text) in refused.items()},
        )

    def dump(self) -> dict[str, Any]:
        """The form to keep: JSON values only."""
        return {
            "message_id": self.message_id,
            "date": self.date.isoformat(),
            "accepted": list(self.accepted),
            "refused": {who: [reply.code, reply.text] for who, reply in self.refused.items()},
            "settled": self.settled,
        }

    def pending(self, recipients: dict[str, str]) -> dict[str, str]:
        """Who of ``recipients`` (hash -> address) is still to be tried."""
        done = {*self.accepted, *self.refused}
        return {who: address for who, address in recipients.items() if who not in done}

    def absorb(self, outcome: Outcome) -> None:
        """Add what one conversation settled."""
        self.accepted.extend(who for who in outcome.accepted if who not in self.accepted)
        self.refused.update(outcome.refused)


class Notebook:
    """Where a job's progress is written, and what stands there."""

    def __init__(self, job: CurrentJob) -> None:
        """Reads what earlier attempts wrote. Raises: StoreUnavailable."""
        self._job = job
        #: What was dumped last; None: nothing yet.
        self.written: Any = job.checkpoint(STATE)

    def write(self, progress: Progress) -> None:
        """Note ``progress``, unless that is what stands there.

        Raises: LeaseLost when another attempt holds the job by now; StoreUnavailable, StoreRefused.
        """
        state = progress.dump()
        if state != self.written:
            self._job.checkpoint(STATE, state)
            self.written = state

    @property
    def accepted(self) -> list[str]:
        """Who is noted to have the message, as hashes."""
        return list((self.written or {}).get("accepted", []))


def message_id_for(job_id: str, recipients: Iterable[str], subject: str | None, domain: str) -> str:
    """The Message-ID of a job's email: equal for every attempt, different for any two emails.

    The hash covers what the job id alone does not tell apart: an id that was shortened, and an id used again for other
    recipients after the first job was trimmed.

    Args:
        recipients: their hashes.
    """
    digest = hashlib.sha256(json.dumps([job_id, sorted(recipients), subject]).encode()).hexdigest()[:10]
    readable = _NOT_FOR_MESSAGE_ID.sub("-", job_id)[:_MAX_JOB_ID].strip("-") or "job"
    return f"<{readable}.{digest}@{domain}>"
