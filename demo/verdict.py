"""What a check has shown, and what speaks against it."""

from __future__ import annotations

from dataclasses import dataclass, field

from callboard.records import JobView


@dataclass(slots=True)
class Check:
    """What was shown, and what speaks against it."""

    shown: str
    problems: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.problems


def waits_ms(view: JobView) -> list[int]:
    """How long a job waited after each attempt that failed, until the next one started (ms)."""
    starts = [each.started_ms for each in view.attempts[1:]] + [view.started_ms]
    return [start - attempt.ended_ms for attempt, start in zip(view.attempts, starts, strict=True)]


def check_retries(view: JobView, attempts: int, backoff_ms: int, said: str) -> list[str]:
    """What is wrong with the attempts of a job that took ``attempts``: each wait must be at least the backoff, whose
    first one ``backoff_ms`` is and which doubles, and the error of each failed attempt must be kept and have ``said``.
    """
    outcomes = [each.outcome for each in view.attempts]
    if outcomes != ["retried"] * (attempts - 1):
        return [f"{view.id} has the attempts {outcomes}"]
    problems = []
    for number, (attempt, waited) in enumerate(zip(view.attempts, waits_ms(view), strict=True)):
        if waited < backoff_ms * 2**number:
            problems.append(f"{view.id} waited only {waited} ms after attempt {number + 1}")
        if said not in attempt.error_message:
            problems.append(f"{view.id} does not say why attempt {number + 1} failed: {attempt.error_message!r}")
    return problems
