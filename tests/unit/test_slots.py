"""Slots: a process's threads are shared by weight, within limits, and little is fetched ahead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from callboard.catalogue import QueueSpec
from callboard.verbs.cycle import MAX_FETCH
from callboard.worker.job import Job
from callboard.worker.slots import Lane, Slots
from tests.support.jobs import make_job


def lane(name: str, **fields: Any) -> Lane:
    return Lane(QueueSpec(name=name, **fields))


def jobs(of: Lane, count: int, until: float = 0.0) -> list[Job]:
    made = [make_job(of.spec, id=f"{of.spec.name}-{i}") for i in range(count)]
    for job in made:
        job.reserved_until = until
    return made


def started(slots: Slots) -> list[str]:
    """Start all that can start now; the queues in order."""
    names = []
    while (job := slots.take()) is not None:
        names.append(job.queue_name)
    return names


def run(slots: Slots, lanes: Sequence[Lane], count: int) -> list[str]:
    """Let jobs end and the next ones start on their slots: the queues of ``count`` starts."""
    running = started(slots)
    order = list(running)
    while len(order) < count:
        ended = running.pop(0)
        following = slots.end(slots.lanes[ended])
        assert following is not None
        running.append(following.queue_name)
        order.append(following.queue_name)
    return order


def test_all_free_slots_go_to_the_only_hungry_lane() -> None:
    a, b = lane("a"), lane("b")
    b.hungry = False
    assert Slots(8, [a, b], 0).wants() == {"a": (8, 0)}


def test_nothing_is_wanted_when_no_lane_may_have_work() -> None:
    a = lane("a")
    a.hungry = False
    assert Slots(8, [a], 0).wants() == {}


def test_a_paused_lane_wants_nothing() -> None:
    a, b = lane("a"), lane("b")
    a.paused = True
    assert Slots(8, [a, b], 0).wants() == {"b": (8, 0)}


def test_free_slots_are_dealt_by_weight() -> None:
    a, b = lane("a", weight=3), lane("b", weight=1)
    assert Slots(8, [a, b], 0).wants() == {"a": (6, 0), "b": (2, 0)}


def test_one_free_slot_goes_to_one_lane() -> None:
    wants = Slots(1, [lane("a"), lane("b"), lane("c")], 0).wants()
    assert sum(at_once for at_once, _ in wants.values()) == 1


def test_a_lane_gets_no_more_than_its_limit() -> None:
    a, b = lane("a", max_per_process=2), lane("b")
    slots = Slots(8, [a, b], 0)
    assert slots.wants() == {"a": (2, 0), "b": (6, 0)}

    slots.put(a, jobs(a, 1))
    assert started(slots) == ["a"]
    assert slots.wants() == {"a": (1, 0), "b": (6, 0)}


def test_a_lane_at_its_limit_wants_nothing_even_alone() -> None:
    a = lane("a", max_per_process=2)
    slots = Slots(8, [a], 0)
    slots.put(a, jobs(a, 2))
    started(slots)
    assert slots.wants() == {}


def test_a_reserved_job_does_not_start_beyond_the_limit_of_its_lane() -> None:
    a, b = lane("a", max_per_process=1), lane("b")
    slots = Slots(4, [a, b], 0)
    slots.put(a, jobs(a, 2))
    slots.put(b, jobs(b, 2))
    assert Counter(started(slots)) == {"a": 1, "b": 2}
    assert slots.free == 1
    following = slots.end(a)
    assert following is not None
    assert following.queue_name == "a"


def test_no_job_starts_without_a_free_slot() -> None:
    a = lane("a")
    slots = Slots(2, [a], 0)
    slots.put(a, jobs(a, 5))
    assert len(started(slots)) == 2
    assert (slots.free, slots.occupied(), a.running) == (0, 5, 2)
    assert slots.end(a) is not None
    assert (slots.free, slots.occupied(), a.running) == (0, 4, 2)


def test_an_end_without_reserve_frees_the_slot() -> None:
    a = lane("a")
    slots = Slots(1, [a], 0)
    slots.put(a, jobs(a, 1))
    started(slots)
    assert slots.end(a) is None
    assert (slots.free, a.running) == (1, 0)


def test_scarce_slots_are_shared_by_weight() -> None:
    a, b = lane("a", weight=4), lane("b", weight=1)
    slots = Slots(1, [a, b], 0)
    slots.put(a, jobs(a, 100))
    slots.put(b, jobs(b, 100))
    assert Counter(run(slots, [a, b], 50)) == {"a": 40, "b": 10}


def test_a_lane_that_had_nothing_saved_no_turns_up() -> None:
    a, b = lane("a"), lane("b")
    slots = Slots(1, [a, b], 0)
    slots.put(a, jobs(a, 200))
    run(slots, [a], 100)
    slots.put(b, jobs(b, 50))
    slots.end(a)
    a.running, slots.free = 0, 1
    assert Counter(run(slots, [a, b], 20)) == {"a": 10, "b": 10}


def test_jobs_of_a_lane_start_in_their_order() -> None:
    a = lane("a")
    slots = Slots(3, [a], 0)
    made = jobs(a, 3)
    slots.put(a, made)
    assert [slots.take() for _ in range(3)] == made


def test_ahead_goes_what_would_start_within_the_reserve_time() -> None:
    a = lane("a")
    slots = Slots(4, [a], 0.020)
    assert slots.wants() == {"a": (4, 0)}, "nothing is known of its rate yet"
    a.rate = 1_000.0
    assert slots.wants() == {"a": (4, 20)}
    slots.put(a, jobs(a, 4 + 5))
    started(slots)
    assert slots.wants() == {"a": (0, 15)}, "what is reserved counts"


def test_a_slow_lane_reserves_nothing() -> None:
    a = lane("a")
    slots = Slots(1, [a], 0.020)
    a.rate = 10.0
    slots.put(a, jobs(a, 1))
    started(slots)
    assert slots.wants() == {}


def test_a_lane_with_a_limit_reserves_nothing() -> None:
    a = lane("a", max_per_process=3)
    a.rate = 10_000.0
    assert Slots(8, [a], 0.020).wants() == {"a": (3, 0)}


def test_no_fetch_is_larger_than_a_script_may_take() -> None:
    a = lane("a")
    a.rate = 1_000_000.0
    at_once, ahead = Slots(500, [a], 0.020).wants()["a"]
    assert at_once + ahead <= MAX_FETCH


def test_what_was_held_too_long_is_withdrawn() -> None:
    a, b = lane("a"), lane("b")
    slots = Slots(0, [a, b], 0)
    assert slots.earliest_hold() == float("inf")
    old, young, other = jobs(a, 2, until=10.0), jobs(a, 1, until=20.0), jobs(b, 1, until=15.0)
    slots.put(a, old + young)
    slots.put(b, other)
    assert slots.earliest_hold() == 10.0
    assert slots.withdraw(9.9) == []
    assert slots.withdraw(15.0) == old + other
    assert slots.earliest_hold() == 20.0
    assert slots.withdraw() == young
    assert slots.occupied() == 0


def test_the_rate_follows_what_ends() -> None:
    a = lane("a")
    began = a._window_began
    for i in range(1, 60):
        a.observe(10, began + i * 0.1)
    assert a.rate == pytest.approx(100.0, rel=0.01)
    for i in range(60, 120):
        a.observe(0, began + i * 0.1)
    assert a.rate == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("rates", [(600.0, 600.0), (100.0, 1_900.0), (30_000.0, 30_000.0)])
def test_what_is_reserved_is_by_weight_whatever_started_so_far(rates: tuple[float, float]) -> None:
    a, b = lane("a", weight=3), lane("b", weight=1)
    a.rate, b.rate = rates
    slots = Slots(16, [a, b], 0.02)
    slots.free = 0
    (_, ahead_of_a), (_, ahead_of_b) = slots.wants()["a"], slots.wants()["b"]
    assert ahead_of_a <= MAX_FETCH
    assert 2.5 <= ahead_of_a / ahead_of_b <= 3.5
    together = sum(rates) * 0.02
    assert ahead_of_a + ahead_of_b >= min(together, MAX_FETCH) - 2, "less than what starts until the next cycle"


def test_a_lane_with_a_limit_takes_no_share_from_the_others() -> None:
    a, b = lane("a"), lane("b", weight=9, max_per_process=1)
    a.rate, b.rate = 2_000.0, 1.0
    slots = Slots(8, [a, b], 0.02)
    slots.free = 0
    assert slots.wants()["a"][1] >= 40
