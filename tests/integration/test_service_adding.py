"""QueueService and broker at the door: what is refused leaves no trace, what lands is told job by job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dramatiq
import pytest

from callboard.broker import CallboardBroker
from callboard.catalogue import Priority
from callboard.errors import (
    InvalidOption,
    JobNotFound,
    PayloadInvalid,
    PayloadTooLarge,
    QueueFull,
    StoreRefused,
    UnknownActor,
    UnknownQueue,
)
from callboard.service import JobSpec, PartlyAdded, QueueService
from callboard.settings import Settings
from callboard.store.store import open_store
from callboard.verbs import fleet
from tests.conftest import SettingsMaker
from tests.support.engine import Engine
from tests.support.redis_server import Server, redis_binary, valkey_binary
from tests.support.snapshot import take_snapshot

QUEUES: dict[str, dict[str, Any]] = {
    "emails": {"max_payload_bytes": 2_000, "priority": 4}, "small": {"max_length": 300}, "other": {},
}  # fmt: skip
ACTORS = {
    "send": {"queue": "emails", "priority": 0},
    "urgent": {"queue": "emails", "priority": 2},
    "grow": {"queue": "small", "priority": 0},
}


@pytest.fixture
def service(make_settings: Callable[..., Settings]) -> Iterator[QueueService]:
    service = QueueService(make_settings(queues=QUEUES, only_queues=True))
    fleet.publish(service.store, ACTORS)
    yield service
    for queue in QUEUES:
        take_snapshot(service.store, queue).check()
    service.close()


def is_untouched(service: QueueService, queue: str) -> bool:
    """Whether Redis holds nothing at all of a queue."""
    return not any(take_snapshot(service.store, queue).keys.values())


def test_an_added_job_is_told_and_found(service: QueueService) -> None:
    result = service.add_job("emails", "send", {"to": "ada"}, workspace="acme", tags=["welcome"])
    assert (result.queue, result.status) == ("emails", "added")
    job = service.get_job("emails", result.id)
    assert (job.actor, job.payload, job.workspace) == ("send", {"to": "ada"}, "acme")
    assert job.options == {"tags": ["welcome"]}
    assert (job.state, job.priority) == ("waiting", 4)


def test_priority_comes_from_the_job_the_actor_or_the_queue(service: QueueService) -> None:
    def priority(actor: str, **options: Any) -> int:
        return service.get_job("emails", service.add_job("emails", actor, {}, **options).id).priority

    assert (priority("send"), priority("urgent"), priority("urgent", priority=9)) == (4, 2, 9)
    added = service.add_high_priority_job("emails", "send", {}), service.add_low_priority_job("emails", "send", {})
    assert [service.get_job("emails", a.id).priority for a in added] == [Priority.HIGH, Priority.LOW]


def test_an_own_id_is_kept_and_a_second_one_is_a_duplicate(service: QueueService) -> None:
    assert service.add_job("emails", "send", {"n": 1}, id="mine").status == "added"
    again = service.add_job("emails", "send", {"n": 2}, id="mine")
    assert (again.id, again.status) == ("mine", "duplicate")
    assert service.get_job("emails", "mine").payload == {"n": 1}


def test_delay_is_in_seconds(service: QueueService) -> None:
    result = service.add_delayed_job("emails", "send", {}, 90)
    job = service.get_job("emails", result.id)
    assert (job.state, job.due_ms - job.added_ms) == ("delayed", 90_000)
    at = datetime.now(UTC) + timedelta(hours=1)
    result = service.add_job("emails", "send", {}, run_at=at)
    assert service.get_job("emails", result.id).due_ms == int(at.timestamp() * 1000)


REFUSALS: list[tuple[type[Exception], dict[str, Any]]] = [
    (PayloadTooLarge, {"payload": {"text": "x" * 2_001}}),
    (PayloadInvalid, {"payload": {"when": datetime.now(UTC)}}),
    (PayloadInvalid, {"payload": ["ada"]}),
    (InvalidOption, {"priority": 1001}),
    (InvalidOption, {"priority": "high"}),
    (InvalidOption, {"delay": -1}),
    (InvalidOption, {"delay": "soon"}),
    (InvalidOption, {"delay": True}),
    (InvalidOption, {"delay": 400 * 366 * 86_400}),
    (InvalidOption, {"run_at": datetime.now()}),  # noqa: DTZ005  # that is what is refused
    (InvalidOption, {"run_at": datetime.now(UTC), "delay": 1}),
    (InvalidOption, {"id": "no spaces"}),
    (InvalidOption, {"id": ""}),
    (InvalidOption, {"workspace": "x" * 129}),
    (InvalidOption, {"workspace": "\ud800"}),
    (InvalidOption, {"tags": "welcome"}),
    (InvalidOption, {"max_attempts": 0}),
    (InvalidOption, {"backoff": "linear"}),
    (InvalidOption, {"delai": 3}),
]


@pytest.mark.parametrize(("error", "job"), REFUSALS, ids=lambda v: str(v)[:40])
def test_what_is_refused_adds_nothing(service: QueueService, error: type[Exception], job: dict[str, Any]) -> None:
    given = {"payload": {}, **job}
    with pytest.raises(error):
        service.add_job("emails", "send", **given)
    options = {name: value for name, value in given.items() if name not in {"payload", "id", "delay", "run_at"}}
    bad = JobSpec(
        "send", given["payload"], given.get("id"), given.get("delay"), given.get("run_at"), options
    )
    with pytest.raises(error):
        service.add_jobs("emails", [JobSpec("send", {}), bad, JobSpec("send", {})])
    assert is_untouched(service, "emails"), "one bad job must keep the whole call out"


def test_an_unknown_option_is_refused_with_the_nearest_name(service: QueueService) -> None:
    with pytest.raises(InvalidOption, match="no option 'delai'; did you mean 'delay'"):
        service.add_job("emails", "send", {}, delai=3)
    with pytest.raises(InvalidOption, match="no option 'zzz'; options are: backoff, "):
        service.add_job("emails", "send", {}, zzz=3)


def test_options_of_ones_own_middleware_are_named_in_the_settings(make_settings: SettingsMaker) -> None:
    service = QueueService(make_settings(job_options=["region"]))
    fleet.publish(service.store, {"send": {"queue": "email-notifications", "priority": 0}})
    job = service.add_job("email-notifications", "send", {}, region="eu")
    assert service.get_job("email-notifications", job.id).options == {"region": "eu"}
    service.close()


def test_an_unknown_queue_is_refused(service: QueueService) -> None:
    with pytest.raises(UnknownQueue, match="emails"):
        service.add_job("email", "send", {})


@pytest.mark.parametrize(("queue", "actor", "said"), [("emails", "sned", "send"), ("other", "send", "'emails', not")])
def test_an_unknown_actor_is_refused(service: QueueService, queue: str, actor: str, said: str) -> None:
    with pytest.raises(UnknownActor, match=said):
        service.add_job(queue, actor, {})
    assert is_untouched(service, queue)


def test_many_jobs_are_added_in_batches_with_an_answer_each(service: QueueService) -> None:
    service.add_job("emails", "send", {}, id="n300")
    results = service.add_jobs("emails", (JobSpec("send", {"n": n}, id=f"n{n}") for n in range(600)))
    assert [r.id for r in results] == [f"n{n}" for n in range(600)]
    assert [r.id for r in results if r.status != "added"] == ["n300"]
    page = service.get_waiting_jobs("emails", limit=3)
    assert (page.total, [job.id for job in page.jobs]) == (600, ["n300", "n0", "n1"])


def test_a_call_that_fails_on_the_way_says_what_landed(service: QueueService) -> None:
    with pytest.raises(PartlyAdded, match="300 of 600") as caught:
        service.add_jobs("small", (JobSpec("grow", id=f"n{n}") for n in range(600)))
    assert [r.id for r in caught.value.landed] == [f"n{n}" for n in range(300)]
    assert isinstance(caught.value.__cause__, QueueFull)
    assert service.get_queue_stats("small").waiting == 300
    with pytest.raises(JobNotFound):
        service.get_job("small", "n300")


def test_no_jobs_are_no_call(service: QueueService) -> None:
    assert service.add_jobs("emails", []) == []
    assert is_untouched(service, "emails")


def test_stats_of_all_queues_come_in_the_order_of_the_catalogue(service: QueueService) -> None:
    service.add_job("emails", "send", {})
    assert [(s.queue, s.waiting) for s in service.get_all_queue_stats()] == [("emails", 1), ("small", 0), ("other", 0)]


def test_dramatiqs_send_passes_the_same_door(make_settings: Callable[..., Settings]) -> None:
    broker = CallboardBroker(make_settings(queues=QUEUES, only_queues=True))

    @dramatiq.actor(queue_name="emails", broker=broker, priority=3)
    def send(text: str) -> None:
        """Never runs here."""

    message = send.send_with_options(args=("hello",), delay=60_000)
    with pytest.raises(PayloadTooLarge):
        send.send("x" * 2_001)
    with pytest.raises(InvalidOption):
        send.send_with_options(args=("a",), delay=-5)
    with pytest.raises(InvalidOption):
        send.send_with_options(args=("a",), priority=5_000)
    with pytest.raises(UnknownQueue):
        broker.enqueue(send.message("a").copy(queue_name="nowhere"))

    engine = Engine(broker.store, "emails")
    (job_id,) = engine.snapshot().records
    assert len(job_id) == 23, "a UUID is stored packed"
    job = engine.job(message.message_id)
    assert (job.state, job.args, job.priority, job.due_ms - job.added_ms) == ("delayed", ("hello",), 3, 60_000)
    broker.close()


@pytest.mark.parametrize("kind", ["valkey", "redis7"])
def test_a_redis_out_of_memory_refuses_adds_and_nothing_else(tmp_path: Path, kind: str) -> None:
    binary = valkey_binary() if kind == "valkey" else redis_binary()
    with Server(binary, tmp_path / "server") as server:
        settings = Settings(redis_url=server.url, queues={"q": {}}, only_queues=True)
        store = open_store(settings)
        engine = Engine(store, "q")
        engine.add("a", "b")
        worker = engine.worker()
        assert worker.fetch() == ["a"]
        store.execute("CONFIG", "SET", "maxmemory", "1")

        with pytest.raises(StoreRefused, match="OOM"):
            engine.add("c")
        assert worker.finish("a") == "1"
        assert worker.fetch() == ["b"]
        assert engine.bare_sweep().recovered == []
        assert engine.store.call("pause", "q", ("memory", "ada", 100)) == 1, "an operator must be able to steer"
        assert engine.store.call("resume", "q", (100,)) == 1
        engine.snapshot().check()
        assert engine.snapshot().totals == {"added": 2, "completed": 1}
        store.close()


@pytest.mark.parametrize("kind", ["valkey", "redis7"])
def test_a_replica_refuses_writes(tmp_path: Path, kind: str) -> None:
    binary = valkey_binary() if kind == "valkey" else redis_binary()
    with Server(binary, tmp_path / "server", replicaof="127.0.0.1 1") as server:
        settings = Settings(redis_url=server.url, queues={"q": {}}, only_queues=True)
        engine = Engine(open_store(settings), "q")
        with pytest.raises(StoreRefused, match="READONLY"):
            engine.add("c")
        engine.store.close()
