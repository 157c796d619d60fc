"""retry_all, promote_all, cancel_all: in steps, interrupted, repeated, two at once, and while jobs go on failing."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import pytest

from callboard.errors import CallboardError
from callboard.service import QueueService
from callboard.store.store import open_store
from callboard.verbs import bulk
from tests.support.engine import Engine
from tests.support.steering import HOUR, Desk, payload

COUNT = 250  # three steps


class Interrupted(Exception):
    """The operator's process ends between two steps."""


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def fill(desk: Desk, place: str, count: int = COUNT) -> list[str]:
    ids = [f"j{i:04d}" for i in range(count)]
    for first in range(0, count, 50):
        part = ids[first : first + 50]
        desk.engine.add(*part, payload=payload(), delay=HOUR if place == "delayed" else 0)
        if place in ("failed", "completed", "cancelled"):
            outcome = {"failed": "f", "completed": "c", "cancelled": "x"}[place]
            desk.worker.cycle(*((job_id, outcome) for job_id in desk.worker.fetch(50)))
    return ids


def past_the_begin(desk: Desk) -> None:
    """Wait until what happens next bears a later millisecond than the begin of the run that called back.

    What happens in that very millisecond would be among the jobs that the run means.
    """
    now = desk.engine.now()
    while desk.engine.now() == now:
        pass


RUNS: dict[str, tuple[str, str, Callable[[Desk, bulk.Progress | None], int]]] = {
    "retry_all": ("failed", "waiting", lambda d, p: d.service.retry_all("q", progress=p)),
    "promote_all": ("delayed", "waiting", lambda d, p: d.service.promote_all("q", progress=p)),
    "cancel_all": ("waiting", "cancelled", lambda d, p: d.service.cancel_all("q", progress=p)),
    "cancel delayed": ("delayed", "cancelled", lambda d, p: d.service.cancel_all("q", state="delayed", progress=p)),
    "drain": ("waiting", "", lambda d, p: d.service.drain_queue("q", progress=p)),
    "drain of delayed": ("delayed", "", lambda d, p: d.service.drain_queue("q", delayed=True, progress=p)),
}  # fmt: skip


@pytest.mark.parametrize("name", RUNS)
def test_it_takes_bounded_steps_and_says_how_far_it_is(desk: Desk, name: str) -> None:
    source, target, run = RUNS[name]
    ids = fill(desk, source)
    seen: list[tuple[int, int]] = []
    assert run(desk, lambda *step: seen.append(step)) == COUNT
    changed = [0, *(step[0] for step in seen)]
    assert max(b - a for a, b in itertools.pairwise(changed)) <= 100
    assert max(step[0] for step in seen) == COUNT
    assert desk.of(source) == []
    assert set(desk.of(target) if target else []) == set(ids if target else [])
    assert run(desk, None) == 0


@pytest.mark.parametrize("name", RUNS)
def test_a_run_that_was_interrupted_is_finished_by_repeating_it(desk: Desk, name: str) -> None:
    source, target, run = RUNS[name]
    ids = fill(desk, source)
    done: list[int] = []

    def stop(changed: int, _looked: int) -> None:
        done.append(changed)
        raise Interrupted

    with pytest.raises(Interrupted):
        run(desk, stop)
    assert 0 < done[0] < COUNT
    desk.engine.snapshot().check()
    assert run(desk, None) == COUNT - done[0]
    assert set(desk.of(target) if target else []) == set(ids if target else [])


@pytest.mark.parametrize("name", RUNS)
def test_two_runs_at_once_share_the_work(desk: Desk, name: str) -> None:
    source, _, run = RUNS[name]
    fill(desk, source)
    done: list[int | Exception] = []
    barrier = threading.Barrier(2)

    def one() -> None:
        other = Desk(Engine(open_store(desk.service.settings), "q"))
        barrier.wait()
        try:
            done.append(run(other, None))
        except CallboardError as error:
            done.append(error)
        other.engine.store.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(n for n in done if isinstance(n, int)) == COUNT, done
    assert desk.of(source) == []


def test_jobs_that_fail_again_meanwhile_are_left_alone(desk: Desk) -> None:
    fill(desk, "failed")

    def fail_again(_changed: int, _looked: int) -> None:
        past_the_begin(desk)
        desk.worker.cycle(*((job_id, "f") for job_id in desk.worker.fetch(100)))

    assert desk.service.retry_all("q", progress=fail_again) == COUNT
    assert {record.attempts for record in desk.engine.snapshot().records.values()} == {2}


def test_jobs_that_are_delayed_again_meanwhile_keep_their_backoff(desk: Desk) -> None:
    fill(desk, "delayed")

    def retry_later(_changed: int, _looked: int) -> None:
        past_the_begin(desk)
        desk.worker.cycle(*((job_id, "r", {"delay": 2 * HOUR}) for job_id in desk.worker.fetch(100)))
        desk.engine.add("new", payload=payload(), delay=2 * HOUR)

    assert desk.service.promote_all("q", progress=retry_later) == COUNT
    assert len(desk.of("delayed")) == COUNT + 1
    assert {record.attempts for record in desk.engine.snapshot().records.values()} == {0, 1}


def test_what_is_added_meanwhile_is_not_cancelled(desk: Desk) -> None:
    fill(desk, "waiting")

    def add_more(changed: int, _looked: int) -> None:
        past_the_begin(desk)
        desk.engine.add(f"new-{changed}", payload=payload())

    assert desk.service.cancel_all("q", progress=add_more) == COUNT
    assert all(job_id.startswith("new-") for job_id in desk.of("waiting"))


def test_a_drain_beside_a_busy_producer_ends(desk: Desk) -> None:
    fill(desk, "waiting")

    def add_more(changed: int, _looked: int) -> None:
        desk.engine.add(*(f"new-{changed}-{i}" for i in range(120)))

    assert desk.service.drain_queue("q", progress=add_more) == COUNT


def test_cancelled_jobs_are_trimmed_to_what_the_queue_keeps(make_engine: Callable[..., Engine]) -> None:
    desk = Desk(make_engine(keep_completed=10))
    fill(desk, "waiting")
    assert desk.service.cancel_all("q", reason="campaign stopped") == COUNT
    assert len(desk.of("cancelled")) == 10
    assert len(desk.engine.snapshot().records) == 10


@pytest.mark.parametrize("state", ["failed", "completed", "cancelled"])
def test_all_ended_states_can_be_retried_with_attempts_anew(desk: Desk, state: str) -> None:
    fill(desk, state, 5)
    service: QueueService = desk.service
    assert service.retry_all("q", state=state, reset_attempts=True) == 5
    assert {record.attempts for record in desk.engine.snapshot().records.values()} == {0}
