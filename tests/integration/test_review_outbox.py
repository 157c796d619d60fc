"""Messages between queues survive a source that lost what it knew of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callboard.keys import QUEUE_KEYS
from callboard.outbox import deliver_outbox
from callboard.settings import Settings
from callboard.store.store import open_store
from tests.support.engine import Engine

QUEUES: dict[str, dict[str, Any]] = {"source": {}, "target": {}}


def send(source: Engine, job_id: str, message_id: str) -> None:
    """Finish a job of the source that sends one message, and deliver it."""
    source.add(job_id)
    worker = source.worker()
    worker.fetch()
    assert worker.finish(job_id, "c", outbox=[("target", message_id, b"{}", 5, "", 0)]) == "1"
    deliver_outbox(source.store, source.store.settings.catalogue, "source")


def test_a_source_that_lost_its_data_is_still_heard(make_settings: Callable[..., Settings]) -> None:
    """Its node failed over and lost writes, or it was emptied: the target must not take new messages for old ones."""
    store = open_store(make_settings(queues=QUEUES, only_queues=True))
    source, target = Engine(store, "source"), Engine(store, "target")
    for i in range(3):
        send(source, f"job{i}", f"before{i}")
    for name in QUEUE_KEYS:
        source.do("DEL", name)
    send(source, "job9", "after")
    assert list(target.snapshot().zset("waiting")) == ["before0", "before1", "before2", "after"]
    store.close()
