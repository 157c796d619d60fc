"""Data of one queue that was damaged from outside stops that queue, and no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from callboard.settings import Settings
from callboard.store.store import open_store
from callboard.worker import exchange
from callboard.worker.exchange import Exchange
from callboard.worker.job import Job
from callboard.worker.leasekeeper import LeaseKeeper
from tests.support.engine import Engine, fetched
from tests.support.jobs import make_job

QUEUES: dict[str, dict[str, Any]] = {"damaged": {}, "sound": {}}
WORKER = "process-0001"


@pytest.fixture
def engines(make_settings: Callable[..., Settings]) -> Iterator[tuple[Engine, Engine]]:
    """Two queues of one deployment."""
    store = open_store(make_settings(queues=QUEUES, only_queues=True))
    yield Engine(store, "damaged"), Engine(store, "sound")
    store.close()


def damage(engine: Engine, key: str) -> None:
    """Somebody wrote to a key that is not theirs."""
    engine.do("DEL", key)
    engine.do("SET", key, "x")


def test_a_damaged_queue_stands_still_alone_until_it_is_repaired(
    engines: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(exchange, "_LONGEST_WAIT_S", 0.001)
    damaged, sound = engines
    store = damaged.store
    calls = Exchange(store, WORKER, store.settings.catalogue, dict)
    damage(damaged, "delayed")
    sound.add("a")

    requests = [calls.request("damaged", []), calls.request("sound", [])]
    of_damaged, _ = calls.send(requests)[0]
    assert of_damaged.paused, "it would be asked again and again"

    request = calls.request("sound", [])
    request.at_once = 1
    replies, was_away = calls.send([request])
    assert (fetched(replies[0]), was_away) == (["a"], False)

    damaged.do("DEL", "delayed")
    calls.send([calls.request("damaged", [])])
    damaged.add("b")
    request = calls.request("damaged", [])
    request.at_once = 1
    assert fetched(calls.send([request])[0][0]) == ["b"]


def test_ends_of_other_queues_are_taken_once(
    engines: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(exchange, "_LONGEST_WAIT_S", 0.001)
    damaged, sound = engines
    calls = Exchange(sound.store, WORKER, sound.store.settings.catalogue, dict)
    sound.add("a")
    fetch = calls.request("sound", [])
    fetch.at_once = 1
    assert fetched(calls.send([fetch])[0][0]) == ["a"]

    damage(damaged, "delayed")
    end = calls.request("sound", [("a", fetch.number, "c", 1, None)])
    replies, _ = calls.send([end, calls.request("damaged", [])])
    assert replies[0].codes == b"1", "whoever counts hears that it ended"
    assert sound.snapshot().totals == {"added": 1, "completed": 1}, "and nothing is called stale"


def test_leases_of_other_queues_are_renewed(engines: tuple[Engine, Engine]) -> None:
    damaged, sound = engines
    store = damaged.store
    worker = sound.worker()
    sound.add("a")
    worker.fetch()
    damage(damaged, "record")
    job = make_job(sound.spec, id="a")
    job.number = worker.held["a"]
    held: dict[str, list[Job]] = {"damaged": [make_job(damaged.spec)], "sound": [job]}
    lost: list[Job] = []
    keeper = LeaseKeeper(store, worker.name, store.settings.catalogue, lambda: held, lost.append, watchdog=None)
    sound.warp(sound.spec.lease_ms // 2)
    before = sound.snapshot().zset("active")["a"]
    with pytest.raises(Exception, match="WRONGTYPE"):
        keeper._renew()
    assert sound.snapshot().zset("active")["a"] > before
    assert not lost
