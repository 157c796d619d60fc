"""The line of a finished attempt, in both forms. It is written for every job, so the JSON is made piece by piece."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache

from callboard.masking import mask_text
from callboard.worker.job import Job
from middleware.logs.console import Console, printable
from middleware.logs.fields import MESSAGE_MAX, TRACEBACK_MAX
from middleware.logs.values import cut, cut_front

_OUTCOMES = {None: "completed", "r": "retried", "d": "deferred", "f": "failed", "x": "cancelled", "b": "returned"}
_LEVELS = {"retried": "warning", "failed": "error"}


@cache
def _known(queue: str, actor: str) -> str:
    """The part of a line that is the same for all jobs of an actor."""
    return f'"queue":{json.dumps(queue)},"actor":{json.dumps(actor)}'


@cache
def _level(outcome: str) -> str:
    return f'"level":"{_LEVELS.get(outcome, "info")}","event":"attempt","outcome":"{outcome}"'


class _Second:
    """The timestamp of the current second, formatted once."""

    at = -1
    text = ""


def json_line(at: float, job: Job) -> str:
    """The line of an attempt that ended ``at`` (seconds since the epoch), as JSON with a line end.

    Written piece by piece: ids and outcomes need no escaping, and ``json.dumps`` of the whole would be a third of the
    cost of a no-op job.
    """
    outcome = _OUTCOMES["f" if job.outcome is None and job.failed else job.outcome]
    second = int(at)
    if second != _Second.at:
        _Second.at, _Second.text = second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    line = (
        f'{{"timestamp":"{_Second.text}.{int((at - second) * 1000):03d}Z",{_level(outcome)},'
        f'{_known(job.queue_name, job.actor_name)},"job":"{job.message_id}","attempt":{job.attempt},'
        f'"of":{job.max_attempts},"wait_ms":{job.wait_ms},"run_ms":{job.duration}'
    )
    if job.workspace:
        line += f',"workspace":{json.dumps(job.workspace)}'
    if job.error is not None:
        line += f',"error":{json.dumps(job.error[0])},"message":{json.dumps(mask_text(job.error[1])[:MESSAGE_MAX])}'
        if outcome == "failed" and job.error[2]:
            line += f',"traceback":{json.dumps(cut_front(job.error[2], TRACEBACK_MAX))}'
    if job.delay_ms:
        line += f',"next_in_ms":{job.delay_ms}'
    return line + "}\n"


def console_line(console: Console, at: float, job: Job) -> str:
    """As :func:`json_line`, for people."""
    outcome = _OUTCOMES["f" if job.outcome is None and job.failed else job.outcome]
    who = console.who({
        "queue": job.queue_name, "actor": job.actor_name, "job": job.message_id, "attempt": job.attempt,
        "of": job.max_attempts,
    })  # fmt: skip
    told = [f"wait {job.wait_ms} ms", f"run {job.duration} ms"]
    if job.workspace:
        told.append(printable(f"workspace={job.workspace}"))
    if job.delay_ms:
        told.append(f"next in {job.delay_ms / 1000:g} s")
    below = ""
    if job.error is not None:
        told.append(printable(f"{job.error[0]}: {cut(job.error[1], MESSAGE_MAX)}"))
        below = cut_front(job.error[2], TRACEBACK_MAX) if outcome == "failed" else ""
    return console.row(at, outcome, who, told, below)
