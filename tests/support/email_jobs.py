"""Email jobs without Redis: a ``CurrentJob`` whose checkpoints are kept on paper, and fail when they are told to."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from callboard import CurrentJob
from callboard.catalogue import default_queues
from callboard.codec import encode_payload
from callboard.flows.ends import ChildEnd
from callboard.ids import pack_id
from callboard.worker.job import Job


class Paper:
    """A :class:`callboard.current.Speaker` in memory. ``written`` is every checkpoint in order."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.written: list[Any] = []
        self._fails: dict[int, type[BaseException]] = {}
        self._writes = 0

    def raise_at(self, write: int, error: type[BaseException], times: int = 1) -> None:
        """Raise ``error`` instead of taking the next but ``write`` - 1 checkpoint, and as often as ``times`` says."""
        self._fails = dict.fromkeys(range(self._writes + write, self._writes + write + times), error)

    def progress(self, job: Job, value: float | Mapping[str, Any]) -> None:
        """Not kept."""

    def log(self, job: Job, line: str) -> None:
        """Not kept."""

    def checkpoint(self, job: Job, name: str, value: Any) -> None:
        """Keep it, as JSON does."""
        self._writes += 1
        if error := self._fails.get(self._writes):
            raise error
        self.kept[name] = json.loads(json.dumps(value))
        self.written.append(self.kept[name])

    def children(self, job: Job) -> list[ChildEnd]:
        return []

    def checkpoints(self, job: Job) -> dict[str, Any]:
        """All that is kept."""
        return dict(self.kept)


def running(job_id: str, paper: Paper, *, last: bool = False) -> CurrentJob:
    """An attempt of a job that keeps what it notes on ``paper``."""
    spec = default_queues()["email-notifications"]
    record = struct.pack(">cHQB", b"a", spec.priority, 0, 0)
    job = Job(spec, pack_id(job_id).encode(), encode_payload("send_email", (), {}, {}, 0), record, 1, 0)
    job.is_last_attempt = last
    return CurrentJob(job, paper)
