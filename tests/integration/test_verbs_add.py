"""add: all or none, once however often it is sent, refused without a trace."""

from __future__ import annotations

from collections.abc import Callable

import msgpack
import pytest

from callboard.errors import QueueClosed, QueueFull
from callboard.verbs.add import MAX_BATCH_JOBS, deliver
from tests.support.engine import Engine, new_job

HOUR = 3_600_000


def test_jobs_of_a_batch_wait_in_their_order(engine: Engine) -> None:
    assert engine.add("a", "b", "c") == "111"

    assert list(engine.snapshot().zset("waiting")) == ["a", "b", "c"]
    assert engine.snapshot().totals == {"added": 3}


def test_an_added_job_can_be_read_back(engine: Engine) -> None:
    engine.add("a", priority=3, workspace="acme", payload=b'{"a":"send","t":5,"k":{"to":"ada"}}')

    job = engine.job("a")
    assert (job.state, job.actor, job.payload) == ("waiting", "send", {"to": "ada"})
    assert (job.priority, job.workspace, job.attempts_made) == (3, "acme", 0)
    assert abs(job.added_ms - engine.now()) < 5_000


def test_an_id_that_exists_is_a_duplicate_and_changes_nothing(engine: Engine) -> None:
    engine.add("a", priority=3, payload=b"first")
    before = engine.snapshot()

    assert engine.add("a", priority=1, payload=b"second") == "0"

    after = engine.snapshot()
    for name in ("payload", "record", "waiting", "delayed", "totals", "events"):
        assert after.keys[name] == before.keys[name]


def test_an_id_twice_in_a_batch_is_added_once(engine: Engine) -> None:
    assert engine.add("a", "b", "a") == "110"
    assert engine.snapshot().hash("record").keys() == {"a", "b"}


def test_a_duplicate_within_a_batch_keeps_nobody_else_out(engine: Engine) -> None:
    engine.add("b")
    assert engine.add("a", "b", "c") == "101"


def test_a_resent_call_gets_its_first_answer_and_adds_nothing(engine: Engine) -> None:
    engine.add("old")
    first = engine.add_as("caller", 7, "a", "old", "b")
    before = engine.snapshot()

    assert engine.add_as("caller", 7, "a", "old", "b") == first == [1, b"101"]
    assert engine.snapshot() == before


def test_a_resend_adds_nothing_even_after_the_job_is_gone(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(keep_completed=0)
    engine.add_as("caller", 1, "a")
    worker = engine.worker()
    worker.fetch()
    worker.finish("a")
    assert "a" not in engine.snapshot().records

    assert engine.add_as("caller", 1, "a") == [1, b"1"]
    assert "a" not in engine.snapshot().records


def test_an_older_call_that_arrives_late_is_ignored(engine: Engine) -> None:
    engine.add_as("caller", 2, "new")
    engine.add_as("caller", 1, "late")
    assert engine.snapshot().hash("record").keys() == {"new"}


def test_callers_do_not_see_each_others_calls(engine: Engine) -> None:
    assert engine.add_as("one", 1, "a") == [1, b"1"]
    assert engine.add_as("two", 1, "b") == [1, b"1"]


def test_a_full_queue_takes_no_job_of_the_batch(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(max_length=3)
    engine.add("a")
    engine.add("b", delay=HOUR)
    before = engine.snapshot()

    with pytest.raises(QueueFull, match="takes 3"):
        engine.add("c", "d")

    assert engine.snapshot().keys["record"] == before.keys["record"]
    assert engine.snapshot().totals == {"added": 2}
    assert engine.add("c") == "1"


def test_active_jobs_do_not_fill_a_queue(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(max_length=1)
    engine.add("a")
    engine.worker().fetch()
    assert engine.add("b") == "1"


def test_a_job_that_is_there_is_a_duplicate_even_in_a_full_queue(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(max_length=2)
    engine.add("a")
    assert engine.add("a", "b", "b") == "010"
    assert engine.add("b", "a") == "00"


def test_held_jobs_fill_a_queue(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(max_length=1)
    engine.checked = False
    engine.do("ZADD", "held", 1, "limited")
    with pytest.raises(QueueFull):
        engine.add("a")


def test_a_closed_queue_takes_nothing(engine: Engine) -> None:
    engine.set_meta("closed", 1)
    with pytest.raises(QueueClosed):
        engine.add("a")
    assert engine.snapshot().records == {}


def test_a_delayed_job_is_due_that_much_later(engine: Engine) -> None:
    engine.add("a", delay=HOUR)
    snapshot = engine.snapshot()
    assert snapshot.zset("delayed") == {"a": snapshot.records["a"].added + HOUR}
    assert snapshot.zset("waiting") == {}


def test_run_at_is_the_due_time_and_in_the_past_it_is_now(engine: Engine) -> None:
    due = engine.now() + HOUR
    engine.add("later", due=due)
    engine.add("past", due=1)
    assert engine.snapshot().zset("delayed") == {"later": due}
    assert list(engine.snapshot().zset("waiting")) == ["past"]


def test_a_job_that_can_start_leaves_one_mark(engine: Engine) -> None:
    engine.add("a")
    engine.add("b")
    assert engine.take_mark()
    assert not engine.take_mark()


def test_a_paused_queue_takes_jobs_and_leaves_no_mark(engine: Engine) -> None:
    engine.store.call("pause", "q", ("", "", 100))
    assert engine.add("a") == "1"
    assert not engine.take_mark()


def test_a_delayed_job_leaves_a_mark_only_when_it_is_the_next_due(engine: Engine) -> None:
    engine.add("a", delay=HOUR)
    assert engine.take_mark()
    engine.add("later", delay=2 * HOUR)
    assert not engine.take_mark()
    engine.add("sooner", delay=HOUR // 2)
    assert engine.take_mark()


def test_one_event_tells_of_a_batch(engine: Engine) -> None:
    engine.add("a", "b")
    engine.add("c", delay=HOUR)
    assert engine.snapshot().events == [
        {"type": "added", "n": "2", "ids": "a,b"},
        {"type": "delayed", "n": "1", "ids": "c"},
    ]


def test_a_batch_of_the_largest_size_lands_whole(engine: Engine) -> None:
    ids = [f"job-{i:03d}" for i in range(MAX_BATCH_JOBS)]
    assert engine.add(*ids) == "1" * MAX_BATCH_JOBS
    assert list(engine.snapshot().zset("waiting")) == ids


def outbox_row(job_id: str, number: int) -> tuple[object, ...]:
    """A job as it comes from an outbox."""
    return (*new_job(job_id).row()[:6], number)


def test_messages_of_an_outbox_are_taken_once_by_their_number(engine: Engine) -> None:
    def rows(*numbers: int) -> list[tuple[object, ...]]:
        return [outbox_row(f"job-{n}", n) for n in numbers]

    assert deliver(engine.store, engine.spec, "source", rows(1, 2)) == "11"
    assert deliver(engine.store, engine.spec, "source", rows(1, 2, 5)) == "221"
    assert deliver(engine.store, engine.spec, "source", rows(3)) == "2"
    assert deliver(engine.store, engine.spec, "other", rows(9)) == "1"
    assert engine.snapshot().hash("sources") == {"source": b"5", "other": b"9"}


def test_a_delivery_that_was_taken_before_fits_in_a_full_queue(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(max_length=2)
    rows = [outbox_row("a", 1), outbox_row("b", 2)]
    assert deliver(engine.store, engine.spec, "source", rows) == "11"
    assert deliver(engine.store, engine.spec, "source", rows) == "22"


def test_the_memo_of_a_call_says_when_it_was(engine: Engine) -> None:
    engine.add_as("caller", 1, "a")
    number, at, codes = msgpack.unpackb(engine.snapshot().hash("calls")["caller"])
    assert (number, codes) == (1, "1")
    assert abs(at - engine.now()) < 5_000
