"""Whether Redis holds what the model says."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import msgpack

from callboard.records import Record
from tests.statemachine.jobs import ENDED, RESULT, Mark, ModelJob
from tests.statemachine.model import GONE, Model
from tests.support.snapshot import STATE_ZSETS, Snapshot


def agree(found: Snapshot, model: Model) -> None:
    """Raise AssertionError at the first difference between a queue and its model."""
    for state in STATE_ZSETS:
        expected = model.of(state)
        assert list(found.zset(state)) == [job.id for job in expected], f"the jobs that are {state}, in order"
        if state != "waiting":
            times = {job.id: job.at for job in expected}
            assert found.zset(state) == times, f"times of the jobs that are {state}"

    payloads = found.hash("payload")
    errors = {job_id: [row[6] for row in msgpack.unpackb(packed)] for job_id, packed in found.hash("attempts").items()}
    for job_id, record in found.records.items():
        job = model.jobs[job_id]
        _agree_on(job, record)
        assert payloads[job_id] == job.message.payload, f"payload of {job_id}"
        assert errors.get(job_id, []) == job.errors[-20:], f"history of {job_id}"
    _agree_on_words(found, model)

    assert found.zset("expiry") == {job_id: at for job_id, at in model.results.items() if at}
    assert found.hash("results") == {job_id: b"" if at == GONE else RESULT for job_id, at in model.results.items()}
    assert len(found.members("outbox")) == model.outbox
    assert found.totals == {name: n for name, n in model.totals.items() if n}
    assert ("paused" in found.hash("meta")) == model.paused
    assert ("closed" in found.hash("meta")) == model.closed

    ended = sum(model.totals[state] for state in ENDED.values())
    kept = sum(len(model.of(state)) for state in ENDED.values())
    assert ended - model.totals["revived"] >= kept, "more jobs have ended than ever did"

    startable = [job for job in model.of("waiting") if not model.is_last_start(job)]
    if startable and not model.paused and not model.closed:
        assert found.keys["wake"], "jobs can start and nobody is told"


def _agree_on(job: ModelJob, record: Record) -> None:
    assert (record.priority, record.workspace.decode()) == (job.priority, job.workspace), job.id
    assert (record.attempts, record.stalls, record.lost) == (job.attempts, job.stalls, job.lost), job.id
    assert record.added == job.added, f"when {job.id} was added"
    assert record.reason.decode() == job.reason, f"reason of {job.id}"
    if job.state == "active":
        assert (record.worker.decode(), record.number) == job.owner, f"owner of {job.id}"
        assert (record.started > 0) == job.started, f"whether {job.id} has started"


def _agree_on_words(found: Snapshot, model: Model) -> None:
    """What jobs have said of themselves, and who is to stop."""
    jobs = model.jobs.values()
    progress = {job_id: json.loads(value) for job_id, value in found.hash("progress").items()}
    assert progress == {job.id: job.progress for job in jobs if job.progress is not None}
    logs = {job_id: [row[1] for row in msgpack.unpackb(packed)] for job_id, packed in found.hash("logs").items()}
    assert logs == {job.id: job.log for job in jobs if job.log}
    checkpoints = {
        job_id: {name: json.loads(value) for name, value in msgpack.unpackb(packed).items()}
        for job_id, packed in found.hash("checkpoints").items()
    }
    assert checkpoints == {job.id: job.checkpoints for job in jobs if job.checkpoints}
    marks = {job_id: _mark(*msgpack.unpackb(packed)) for job_id, packed in found.hash("cancels").items()}
    assert marks == {job.id: job.mark for job in jobs if job.mark}, "the active jobs that were cancelled"


def _mark(reason: str, remove: int) -> Mark:
    return Mark(reason, remove == 1)


def agree_on_events(entries: list[Any], said: dict[str, list[str]]) -> None:
    """Raise AssertionError unless the entries of the stream tell of each job what happened to it, in that order."""
    heard: defaultdict[str, list[str]] = defaultdict(list)
    for _, flat in entries:
        kind, number, ids = flat[1].decode(), int(flat[3]), flat[5].decode()
        assert number == len(ids.split(",") if ids else []), f"the count of event {kind} of {ids!r}"
        for job_id in ids.split(","):
            heard[job_id].append(kind)
    assert heard == said, "the events"
