"""Whether Redis holds what the model says."""

from __future__ import annotations

import msgpack

from tests.statemachine.model import PENDING, Model
from tests.support.snapshot import STATE_ZSETS, Snapshot


def agree(found: Snapshot, model: Model) -> None:
    """Raise AssertionError at the first difference between a queue and its model."""
    for state in STATE_ZSETS:
        expected = model.of(state)
        assert list(found.zset(state)) == [job.id for job in expected], f"the jobs that are {state}, in order"
        if state != "waiting":
            times = {job.id: job.at for job in expected}
            assert found.zset(state) == times, f"times of the jobs that are {state}"

    attempts = {job_id: len(msgpack.unpackb(packed)) for job_id, packed in found.hash("attempts").items()}
    for job_id, record in found.records.items():
        job = model.jobs[job_id]
        assert (record.priority, record.workspace.decode()) == (job.priority, job.workspace), job_id
        assert (record.attempts, record.stalls, record.lost) == (job.attempts, job.stalls, job.lost), job_id
        assert attempts.get(job_id, 0) == min(job.history, 20), f"history of {job_id}"
        if job.state == "active":
            assert (record.worker.decode(), record.number) == job.owner, f"owner of {job_id}"
            assert (record.started > 0) == job.started, f"whether {job_id} has started"

    assert found.zset("expiry") == model.results
    assert len(found.members("outbox")) == model.outbox
    assert found.totals == {name: n for name, n in model.totals.items() if n}
    assert ("paused" in found.hash("meta")) == model.paused

    totals = model.totals
    ended = totals["completed"] + totals["failed"] + totals["cancelled"]
    kept = sum(len(model.of(state)) for state in ("completed", "failed", "cancelled"))
    forgotten = ended - kept
    pending = sum(len(model.of(state)) for state in PENDING)
    assert forgotten >= 0
    assert totals["added"] == kept + forgotten + pending == len(found.records) + forgotten

    startable = [job for job in model.of("waiting") if not model.is_last_start(job)]
    if startable and not model.paused:
        assert found.keys["wake"], "jobs can start and nobody is told"
