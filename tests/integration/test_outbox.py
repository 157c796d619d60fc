"""Messages between queues: once, in order, and nobody's refusal holds up another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

import callboard.outbox
from callboard.catalogue import Catalogue, QueueSpec
from callboard.errors import StoreUnavailable
from callboard.outbox import deliver_outbox
from callboard.settings import Settings
from callboard.store.store import Store, open_store
from tests.support.engine import Engine
from tests.support.snapshot import Snapshot

QUEUES: dict[str, dict[str, Any]] = {"source": {}, "one": {}, "two": {}, "small": {"max_length": 2}}


class Deployment:
    """A source queue whose jobs send messages to others."""

    def __init__(self, settings: Settings) -> None:
        self.store = open_store(settings)
        self.catalogue: Catalogue = settings.catalogue
        self.engines = {name: Engine(self.store, name) for name in QUEUES}
        self.worker = self.engines["source"].worker()
        self._jobs = 0

    def send(self, *messages: tuple[str, str]) -> None:
        """Finish a job of the source that sends messages, each (target, id)."""
        self._jobs += 1
        self.engines["source"].add(f"job{self._jobs}")
        (job_id,) = self.worker.fetch()
        rows = [(target, message_id, b"{}", 5, "acme", 0) for target, message_id in messages]
        assert self.worker.finish(job_id, "c", outbox=rows) == "1"

    def deliver(self) -> int:
        """Deliver the source's outbox. Returns how many messages ended."""
        return deliver_outbox(self.store, self.catalogue, "source")

    def waiting(self, queue: str) -> list[str]:
        """The jobs of a queue in order."""
        return list(self.engines[queue].snapshot().zset("waiting"))

    def source(self) -> Snapshot:
        """The source queue."""
        return self.engines["source"].snapshot()


@pytest.fixture
def deployment(make_settings: Callable[..., Settings]) -> Iterator[Deployment]:
    deployment = Deployment(make_settings(queues=QUEUES, only_queues=True))
    yield deployment
    for engine in deployment.engines.values():
        engine.snapshot().check()
    deployment.store.close()


def test_messages_reach_their_queues_in_order(deployment: Deployment) -> None:
    deployment.send(("one", "a"), ("two", "b"), ("one", "c"))
    deployment.send(("one", "d"))
    assert deployment.deliver() == 4
    assert deployment.waiting("one") == ["a", "c", "d"]
    assert deployment.waiting("two") == ["b"]
    assert deployment.source().keys["outbox"] == []


def test_more_messages_than_one_read_takes_arrive_in_order(deployment: Deployment) -> None:
    ids = [f"{i:03d}" for i in range(510)]
    deployment.send(*(("one", i) for i in ids))
    assert deployment.deliver() == 510
    assert deployment.waiting("one") == ids


def test_a_message_keeps_workspace_priority_and_due_time(deployment: Deployment) -> None:
    deployment.engines["source"].add("job")
    deployment.worker.fetch()
    rows = [("one", "a", b"payload", 3, "acme", 0), ("one", "b", b"{}", 5, "", 3_600_000)]
    deployment.worker.finish("job", "c", outbox=rows)
    deployment.deliver()
    snapshot = deployment.engines["one"].snapshot()
    record = snapshot.records["a"]
    assert (record.priority, record.workspace, snapshot.hash("payload")["a"]) == (3, b"acme", b"payload")
    assert snapshot.zset("delayed").keys() == {"b"}


def test_delivering_twice_adds_once(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.send(("one", "a"), ("one", "b"))
    lose_ends(deployment, monkeypatch)
    deployment.deliver()
    monkeypatch.undo()

    worker = deployment.engines["one"].worker()
    worker.fetch(2)
    worker.cycle(("a", "c"), ("b", "c"))
    deployment.engines["one"].do("ZREMRANGEBYRANK", "completed", 0, -1)
    deployment.engines["one"].do("DEL", "record")
    deployment.engines["one"].do("DEL", "payload")  # as if trimmed long ago

    assert deployment.deliver() == 2
    assert deployment.waiting("one") == []
    assert deployment.source().keys["outbox"] == []
    assert "outbox_refused" not in deployment.source().totals


def lose_ends(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut the connection before every ``outbox_end``."""
    call = deployment.store.call

    def cut(verb: str, queue: str, args: Sequence[Any] = ()) -> Any:
        if verb == "outbox_end":
            raise StoreUnavailable
        return call(verb, queue, args)

    monkeypatch.setattr(deployment.store, "call", cut)


def test_an_unknown_target_ends_with_its_reason_and_blocks_nothing(deployment: Deployment) -> None:
    deployment.send(("gone", "a"), ("one", "b"))
    assert deployment.deliver() == 2
    assert deployment.waiting("one") == ["b"]
    source = deployment.source()
    assert source.keys["outbox"] == []
    assert source.totals["outbox_refused"] == 1
    event = source.events[-1]
    assert (event["type"], event["ids"]) == ("outbox-refused", "a")
    assert "unknown queue 'gone'" in event["reason"]


def test_a_full_target_takes_what_fits_and_refuses_the_rest(deployment: Deployment) -> None:
    deployment.send(("small", "a"), ("small", "b"), ("small", "c"), ("one", "d"))
    assert deployment.deliver() == 4
    assert deployment.waiting("small") == ["a", "b"]
    assert deployment.waiting("one") == ["d"]
    event = deployment.source().events[-1]
    assert (event["type"], event["n"], event["ids"]) == ("outbox-refused", "1", "c")
    assert "full" in event["reason"]


def test_a_full_target_that_lost_its_answers_refuses_nothing_it_took(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.send(("small", "a"), ("small", "b"))
    lose_ends(deployment, monkeypatch)
    deployment.deliver()
    monkeypatch.undo()
    assert deployment.deliver() == 2
    assert "outbox_refused" not in deployment.source().totals


def test_a_duplicate_at_the_target_ends_its_message(deployment: Deployment) -> None:
    deployment.engines["one"].add("a")
    deployment.send(("one", "a"), ("one", "b"))
    assert deployment.deliver() == 2
    assert deployment.waiting("one") == ["a", "b"]


def test_a_target_out_of_reach_holds_up_only_itself(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.send(("one", "a"), ("two", "b"), ("one", "c"))
    deliver = callboard.outbox.deliver

    def cut(store: Store, spec: QueueSpec, source: str, rows: Sequence[tuple[Any, ...]]) -> str:
        if spec.name == "one":
            raise StoreUnavailable
        return deliver(store, spec, source, rows)

    monkeypatch.setattr(callboard.outbox, "deliver", cut)
    assert deployment.deliver() == 1
    assert deployment.waiting("two") == ["b"]
    assert len(deployment.source().members("outbox")) == 2

    monkeypatch.undo()
    assert deployment.deliver() == 2
    assert deployment.waiting("one") == ["a", "c"]


def test_a_cycle_tells_how_much_is_to_be_delivered(deployment: Deployment) -> None:
    deployment.send(("one", "a"), ("one", "b"))
    assert deployment.worker.cycle().outbox == 2
    assert deployment.engines["source"].sweep().outbox == 2
