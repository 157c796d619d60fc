"""The inline broker's door is that of every producer, and what it holds can be looked at and asserted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
from pydantic import BaseModel, ConfigDict

from callboard import CallboardBroker, QueueService, Settings, current_job
from callboard.errors import (
    InvalidOption,
    JobNotFound,
    PayloadInvalid,
    PayloadTooLarge,
    QueueFull,
    UnknownActor,
    UnknownQueue,
    WrongState,
)
from callboard.service import JobSpec
from callboard.testing import InlineBroker, inline_broker
from middleware.stack import default_stack

SETTINGS = Settings(
    queues={"one": {"max_payload_bytes": 200}, "two": {"max_length": 2}, "lonely": {}}, only_queues=True
)


class Letter(BaseModel):
    model_config = ConfigDict(extra="forbid")

    to: str
    parts: dict[str, Any] = {}


@pytest.fixture
def broker() -> Iterator[InlineBroker]:
    with inline_broker(CallboardBroker(SETTINGS, middleware=default_stack(SETTINGS))) as broker:
        yield broker


@pytest.fixture
def send_letter(broker: InlineBroker) -> Any:
    @dramatiq.actor(queue_name="one", payload=Letter)
    def send_letter(letter: Letter) -> None:
        current_job().log(letter.to)

    return send_letter


@pytest.fixture
def count(broker: InlineBroker) -> Any:
    @dramatiq.actor(queue_name="two", actor_name="count", priority=3)
    def count(n: int = 0) -> None:
        pass

    return count


#: Options and the payload (``{"to": "ada"}`` unless it is given), and how they are refused.
BAD: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"payload": {}}, PayloadInvalid),
    ({"payload": {"to": 1}}, PayloadInvalid),
    ({"payload": {"to": "ada", "cc": "bob"}}, PayloadInvalid),
    ({"payload": {"to": "a" * 300}}, PayloadTooLarge),
    ({"priority": 0.5}, InvalidOption),
    ({"priority": 1001}, InvalidOption),
    ({"workspace": "a" * 129}, InvalidOption),
    ({"max_attempts": 0}, InvalidOption),
    ({"tags": "news"}, InvalidOption),
    ({"delay": -1}, InvalidOption),
    ({"payload_version": 2}, InvalidOption),
]


@pytest.mark.parametrize(("given", "error"), BAD)
@pytest.mark.parametrize("way", ["send", "service"])
def test_bad_input_is_refused_and_nothing_is_added(
    broker: InlineBroker, send_letter: Any, way: str, given: dict[str, Any], error: type[Exception]
) -> None:
    options = dict(given)
    payload = options.pop("payload", {"to": "ada"})
    add = {
        "send": lambda: send_letter.send_with_options(kwargs=payload, **options),
        "service": lambda: broker.service.add_job("one", "send_letter", payload, **options),
    }[way]
    with pytest.raises(error):
        add()
    broker.assert_nothing_added()


def test_unknown_names_are_refused(broker: InlineBroker, send_letter: Any) -> None:
    with pytest.raises(UnknownQueue, match="the catalogue has: one, two, lonely"):
        broker.service.add_job("three", "send_letter", {"to": "ada"})
    with pytest.raises(UnknownActor, match="workers have published: send_letter"):
        broker.service.add_job("one", "send", {"to": "ada"})
    with pytest.raises(UnknownActor, match="runs on queue 'one'"):
        broker.service.add_job("two", "send_letter", {"to": "ada"})
    with pytest.raises(UnknownQueue):
        dramatiq.actor(_nothing, queue_name="three", actor_name="elsewhere")
    with pytest.raises(InvalidOption, match="job id"):
        broker.service.add_job("one", "send_letter", {"to": "ada"}, id="a b")
    broker.assert_nothing_added()


def test_a_full_queue_refuses(broker: InlineBroker, count: Any) -> None:
    service = broker.service
    service.add_jobs("two", [JobSpec("count", id="a"), JobSpec("count", id="b", delay=60)])
    with pytest.raises(QueueFull):
        count.send()
    assert service.add_job("two", "count", id="a").status == "duplicate"
    broker.run_all()
    assert service.add_job("two", "count", id="c").status == "added"


def test_the_service_adds_and_looks_without_redis(broker: InlineBroker, count: Any) -> None:
    service: QueueService = broker.service
    added = service.add_jobs("two", [JobSpec("count", {"n": 1}), JobSpec("count", {"n": 2}, options={"priority": 1})])
    assert [each.status for each in added] == ["added", "added"]
    view = service.get_job("two", added[0].id)
    assert (view.state, view.actor, view.payload, view.priority) == ("waiting", "count", {"n": 1}, 3)
    page = service.get_waiting_jobs("two", limit=1)
    assert ([job.id for job in page.jobs], page.total) == ([added[1].id], 2)
    rest = service.get_waiting_jobs("two", limit=1, cursor=page.cursor)
    assert [job.id for job in rest.jobs] == [added[0].id]
    broker.run_all()
    assert [job.id for job in service.get_completed_jobs("two").jobs] == [added[0].id, added[1].id]
    assert [stats.completed for stats in service.get_all_queue_stats()] == [0, 2, 0]
    with pytest.raises(JobNotFound):
        service.get_job("two", "nobody")
    with pytest.raises(WrongState, match="cannot cancel"):
        service.cancel_job("two", added[0].id)
    with pytest.raises(JobNotFound):
        service.promote_job("two", "nobody")


@pytest.mark.parametrize(
    "call",
    [
        lambda service: service.pause_queue("one"),
        lambda service: service.get_history("one"),
        lambda service: service.get_events("one"),
        lambda service: service.drain_queue("one"),
        lambda service: service.store.execute("PING"),
    ],
)
def test_what_needs_a_server_says_so(broker: InlineBroker, call: Any) -> None:
    with pytest.raises(NotImplementedError, match="keeps jobs in memory and does not have .* Test this on a server"):
        call(broker.service)


def test_jobs_can_be_picked_by_queue_and_state(broker: InlineBroker, send_letter: Any, count: Any) -> None:
    letter, number = send_letter.send(to="ada"), count.send_with_options(delay=5_000)
    broker.run_all()
    assert [job.id for job in broker.jobs()] == [letter.message_id, number.message_id]
    assert [job.id for job in broker.jobs("two")] == [number.message_id]
    assert [job.id for job in broker.jobs(state="completed")] == [letter.message_id]
    assert broker.jobs("one", "failed") == []
    with pytest.raises(UnknownQueue):
        broker.jobs("three")
    with pytest.raises(InvalidOption, match="unknown state 'done'; one of waiting, delayed"):
        broker.jobs(state="done")


def test_a_job_can_be_found_by_what_adding_it_gave(broker: InlineBroker, send_letter: Any) -> None:
    sent, added = send_letter.send(to="ada"), broker.service.add_job("one", "send_letter", {"to": "bob"})
    assert broker.job(sent).payload == {"to": "ada"}
    assert broker.job(added).payload == {"to": "bob"}
    assert broker.job(broker.job(added)).id == added.id
    broker.flush_all()
    with pytest.raises(JobNotFound):
        broker.job(sent)


def test_assert_added_finds_by_what_is_said_of_the_job(broker: InlineBroker, send_letter: Any, count: Any) -> None:
    send_letter.send(to="ada", parts={"text": "x", "html": {"size": 1, "lang": "en"}})
    send_letter.send_with_options(kwargs={"to": "bob"}, workspace="acme", delay=5_000)
    count.send(3)
    assert len(broker.assert_added(send_letter)) == 2
    broker.assert_added("send_letter", times=2)
    broker.assert_added(send_letter, queue="one", payload={"to": "ada"}, times=1)
    broker.assert_added(send_letter, payload={"parts": {"html": {"lang": "en"}}}, times=1)
    broker.assert_added(send_letter, workspace="acme", state="delayed", due_in_s=5, times=1)
    broker.assert_added(count, args=(3,), times=1)
    broker.assert_added(count, payload={"n": 3}, times=0)
    broker.run_all()
    broker.assert_added(count, args=(3,), state="completed")


def test_a_failed_assertion_says_what_was_there(broker: InlineBroker, send_letter: Any, count: Any) -> None:
    with pytest.raises(AssertionError, match="but it was 0 times. No job was added at all."):
        broker.assert_added(send_letter)
    broker.assert_nothing_added()
    send_letter.send_with_options(kwargs={"to": "ada"}, delay=5_000)
    count.send(3)
    with pytest.raises(AssertionError) as failed:
        broker.assert_added(send_letter, payload={"to": "bob"}, workspace="acme", times=2)
    assert str(failed.value).splitlines() == [
        "expected send_letter, payload={'to': 'bob'}, workspace='acme' to be added 2 times, but it was 0 times. "
        "Added were:",
        "  send_letter(to='ada') on one, delayed for 5 s (workspace is '')",
        "  count(3) on two, waiting",
    ]
    with pytest.raises(AssertionError, match=r"expected nothing to be added to two, but there are 1. Added were:"):
        broker.assert_nothing_added("two")
    broker.assert_nothing_added("lonely")
    with pytest.raises(TypeError, match="a job has no prority; it has id, queue, state"):
        broker.assert_added(send_letter, prority=1)


def test_a_long_list_is_cut(broker: InlineBroker, count: Any) -> None:
    for n in range(30):
        broker.service.add_job("two", "count", {"n": n})
        broker.run_all()
    with pytest.raises(AssertionError, match="and 10 more"):
        broker.assert_nothing_added()


def _nothing() -> None:
    pass
