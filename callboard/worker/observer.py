"""Who watches a worker process from within, such as the metrics: told in batches, off the jobs' threads.

There is none by default, and then nothing of this runs. The engine itself counts nothing for anybody.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Protocol

from callboard.verbs.cycle import Finish
from callboard.worker.job import Job

logger = logging.getLogger("callboard.observer")

#: What Redis answers to a finish that it took.
_DONE = ord("1")


class Observer(Protocol):
    """What it may be told. What it raises is logged and passed over."""

    def ended(self, queue: str, ends: Sequence[tuple[Finish, Job]], sent: int) -> None:
        """Attempts of ``queue`` that Redis has ended, as their finishes say. ``sent``: finishes of the same call, those
        that it refused because their job belongs to another worker by now among them. On the pump's thread."""

    def requeued(self, queue: str, jobs: int) -> None:
        """So many jobs of ``queue`` went back because this process ends. On the pump's thread."""

    def called(self, verb: str, seconds: float) -> None:
        """A round trip to Redis that began with ``verb`` took so long, whatever came of it.

        On any thread, a job's too: it must take no lock, since an interrupt may strike within.
        """


def tell_ended(
    observer: Observer, queue: str, finishes: Sequence[Finish], codes: bytes, held: Mapping[str, Job]
) -> None:
    """Tell what became of the finishes of one cycle. ``codes``: Redis' answers, one each."""
    ends = []
    for finish, code in zip(finishes, codes, strict=False):
        job = held.get(finish[0])
        if code == _DONE and job is not None and job.number == finish[1]:
            ends.append((finish, job))
    try:
        observer.ended(queue, ends, len(finishes))
    except Exception:
        logger.exception("the ends of %d attempts were not observed", len(ends))


def tell_requeued(observer: Observer, queue: str, jobs: int) -> None:
    """Tell that jobs went back at shutdown."""
    try:
        observer.requeued(queue, jobs)
    except Exception:
        logger.exception("%d jobs that went back were not observed", jobs)
