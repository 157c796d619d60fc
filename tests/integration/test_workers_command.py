"""``callboard workers``, as an operator types it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rich.console import Console

from callboard.cli.workers import _print
from callboard.keys import deployment_key
from callboard.naming import NamedWorker
from callboard.settings import Settings
from callboard.store.store import Store, open_store
from callboard.verbs import fleet
from callboard.verbs.fleet import WorkerRecord
from tests.support.command import Call, caller, ok, read

QUEUES: dict[str, Any] = {"q": {}, "r": {}, "s": {}, "t": {}}

#: Makes a worker process known.
Born = Callable[..., WorkerRecord]


def record(worker_id: str, **fields: Any) -> WorkerRecord:
    told: dict[str, Any] = {
        "host": "app-1", "pid": 4711, "slot": 0, "queues": ["q", "r"], "threads": 8, "busy": 3, "version": "1.2.3",
        "started_ms": 1, "metrics_address": "10.0.0.7:9180",
    }  # fmt: skip
    return WorkerRecord(id=worker_id, **(told | fields))


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = open_store(settings)
    yield store
    store.close()


@pytest.fixture
def born(store: Store) -> Born:
    def born(worker_id: str, *, silent_s: int = 0, **fields: Any) -> WorkerRecord:
        told = record(worker_id, **fields)
        fleet.beat(store, told, changed=True, look=False)
        if silent_s:
            beats = deployment_key(store.settings.prefix, "beats")
            store.execute("ZINCRBY", beats, -silent_s * 1000, worker_id)
        return told

    return born


@pytest.fixture
def call(settings: Settings) -> Call:
    return caller(settings, QUEUES, "workers")


def test_no_worker_is_said(call: Call) -> None:
    result = call()
    assert ok(result) == ""
    assert result.stderr == "0 workers\n"
    assert read(call("--json")) == []


def test_a_worker_is_a_row(call: Call, born: Born) -> None:
    born("w1")
    head, row = ok(call()).splitlines()
    assert head.split() == [
        "worker", "id", "host", "pid", "slot", "threads", "busy", "heartbeat", "version", "metrics", "queues",
    ]  # fmt: skip
    words = row.split()
    assert words[:7] == ["app-1-0", "w1", "app-1", "4711", "0", "8", "3"]
    assert words[8:] == ["s", "ago", "1.2.3", "10.0.0.7:9180", "q,", "r"]
    assert call().stderr == "1 worker\n"


def test_json_has_everything(call: Call, born: Born) -> None:
    born("w1", queues=sorted(QUEUES), metrics_address="")
    (told,) = read(call("--json"))
    age = told.pop("heartbeat_age_s")
    assert 0 <= age < 10
    assert told == {
        "worker": "app-1-0", "id": "w1", "host": "app-1", "pid": 4711, "slot": 0, "threads": 8, "busy": 3,
        "alive": True, "started_ms": 1, "version": "1.2.3", "metrics_address": "", "queues": ["q", "r", "s", "t"],
    }  # fmt: skip


def test_many_queues_are_counted_and_a_worker_without_metrics_has_a_dash(call: Call, born: Born) -> None:
    born("w1", queues=sorted(QUEUES), metrics_address="")
    _, row = ok(call()).splitlines()
    assert row.split()[-3:] == ["–", "4", "queues"]


def test_a_silent_worker_is_told_of_and_one_that_took_its_place_is_not_doubled(call: Call, born: Born) -> None:
    born("w1", silent_s=60)
    born("w2", slot=1, silent_s=60)
    born("w3", slot=1)
    told = {each["worker"]: each for each in read(call("--json"))}
    assert {name: (each["id"], each["alive"]) for name, each in told.items()} == {
        "app-1-0": ("w1", False), "app-1-1": ("w3", True),
    }  # fmt: skip
    assert 60 <= told["app-1-0"]["heartbeat_age_s"] < 70
    assert call().stderr == "1 worker, 1 silent\n"


def test_two_live_ones_in_one_place_have_names_of_their_own(call: Call, born: Born) -> None:
    born("later", started_ms=2)
    born("sooner", started_ms=1)
    assert {each["worker"]: each["id"] for each in read(call("--json"))} == {"app-1-0": "sooner", "app-1-0-2": "later"}


def test_a_worker_that_ended_in_order_is_not_in_it(call: Call, born: Born, store: Store) -> None:
    born("w1")
    fleet.unregister(store, "w1")
    assert read(call("--json")) == []


def test_what_a_terminal_would_obey_is_not_printed(call: Call, born: Born) -> None:
    born("w1", host="app\x1b[31m")
    assert "\x1b" not in ok(call())


@pytest.mark.parametrize(
    ("width", "head"),
    [
        (200, "worker id host pid slot threads busy heartbeat version metrics queues"),
        (80, "worker host pid slot threads busy heartbeat"),
        (60, "worker host pid threads busy heartbeat"),
        (10, "worker host pid threads busy heartbeat"),
    ],
)
def test_a_narrow_terminal_goes_without_columns_and_cuts_nothing(width: int, head: str) -> None:
    console = Console(width=width)
    told = NamedWorker("app-1.internal-0", record("GlJA-bG3aWhI", host="app-1.internal"), alive=False)
    with console.capture() as capture:
        _print(console, [told], now_ms=0)
    lines = capture.get().splitlines()
    assert lines[0].split() == head.split()
    assert len(lines) == 2
    assert "…" not in lines[1]
    assert lines[1].split()[0] == "app-1.internal-0"
