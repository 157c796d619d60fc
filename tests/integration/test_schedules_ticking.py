"""Ticks on each kind of server: added once by however many tick, and what becomes of those that come late."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from callboard.errors import (
    StoreUnavailable,
)
from callboard.schedules.definition import define
from callboard.verbs import schedules
from tests.conftest import SettingsMaker
from tests.support.schedules import NEVER, Timetable, add
from tests.support.wait import wait_until

# Ticks


def test_a_tick_adds_its_job_once_and_the_schedule_moves_on(table: Timetable) -> None:
    add(table, priority=3)
    tick = table.come_due("s")
    ticker = table.ticker()
    ticker.page()
    ticker.page()
    assert table.jobs() == [f"s:{tick}"]
    job = table.service.get_job("q", f"s:{tick}")
    assert (job.actor, job.payload, job.priority) == ("work", {"n": 1}, 3)
    schedule = table.service.get_schedule("s")
    assert (schedule.made, schedule.last_ms, schedule.last_job) == (1, tick * 1000, f"s:{tick}")
    assert schedule.next_ms > tick * 1000


def test_a_schedule_that_is_not_due_adds_nothing_and_says_when_it_is(table: Timetable) -> None:
    add(table)
    found, following = table.ticker().page()
    assert table.jobs() == []
    assert following == table.service.get_schedule("s").next_ms > found


def test_three_tickers_at_once_add_every_tick_once(table: Timetable) -> None:
    names = [f"s{number:02}" for number in range(40)]
    for name in names:
        add(table, name, *(("q", "work") if int(name[1:]) % 2 else ("r", "rest")))
    expected = set()
    tickers = [table.other_process() for _ in range(3)]
    for _ in range(3):
        for name in names:
            tick = table.come_due(name)
            # The same second twice is the same tick, and no new one.
            expected.add(f"{name}:{tick}")
        barrier = threading.Barrier(3)

        def run(ticker: Any, barrier: threading.Barrier = barrier) -> None:
            barrier.wait(10)
            ticker.page()

        threads = [threading.Thread(target=run, args=(ticker,)) for ticker in tickers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert sorted(table.jobs("q") + table.jobs("r")) == sorted(expected)
    for ticker in tickers:
        ticker._store.close()


def _die_after_adding(table: Timetable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticker adds what is due and dies before it has said so."""

    def dies(*_: Any) -> int:
        raise StoreUnavailable("it died here")

    with monkeypatch.context() as patched:
        patched.setattr("callboard.schedules.ticking.schedules.done", dies)
        with pytest.raises(StoreUnavailable):
            table.ticker().page()


def test_a_ticker_that_died_after_it_added_is_followed_without_a_second_job(
    table: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(table)
    tick = table.come_due("s")
    _die_after_adding(table, monkeypatch)
    assert table.jobs() == [f"s:{tick}"]
    assert table.service.get_schedule("s").made == 0
    table.end_job(f"s:{tick}")
    table.service.remove_job("q", f"s:{tick}")
    table.other_process().page()
    assert table.jobs() == [], "not even when the job is long gone"
    schedule = table.service.get_schedule("s")
    assert (schedule.made, schedule.last_job) == (1, f"s:{tick}")


def test_ticks_that_were_added_before_a_death_are_counted_once(
    table: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(table, every=1)
    table.put_back("s", next=table.now_s() - 5)
    _die_after_adding(table, monkeypatch)
    assert len(table.jobs()) >= 6
    table.other_process().page()
    assert table.service.get_schedule("s").made == len(table.jobs())


def test_a_queue_that_cannot_be_reached_does_not_hold_up_the_others(
    table: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(table, "s")
    add(table, "t", "r", "rest")
    ticks = {name: table.come_due(name) for name in ("s", "t")}
    ticker = table.ticker()
    real_pipeline = table.store.pipeline

    def pipeline(calls: Any) -> Any:
        if any(verb == "tick" and queue == "r" for verb, queue, _ in calls):
            raise StoreUnavailable("the node of r is away")
        return real_pipeline(calls)

    with monkeypatch.context() as patched:
        patched.setattr(table.store, "pipeline", pipeline)
        ticker.page()
    assert table.jobs("q") == [f"s:{ticks['s']}"]
    entry = table.entry("t")
    assert (entry.next_s, entry.errors, entry.made) == (ticks["t"], 0, 0), "it is looked at again, and nothing is lost"
    table.put_back("t")
    ticker.page()
    assert table.jobs("r") == [f"t:{ticks['t']}"]


def test_redis_away_half_way_puts_nothing_off(table: Timetable, monkeypatch: pytest.MonkeyPatch) -> None:
    add(table)
    tick = table.come_due("s")
    ticker = table.ticker()

    def away(*_: Any) -> Any:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(ticker._admission, "job", away)
        with pytest.raises(StoreUnavailable):
            ticker.page()
    ticker.page()
    assert table.jobs() == [f"s:{tick}"]


def test_ticks_of_one_page_overlap_too(table: Timetable) -> None:
    add(table, every=1, overlap="skip")
    now = table.now_s()
    table.put_back("s", next=now - 5)
    table.ticker().page()
    assert table.jobs() == [f"s:{now - 5}"]
    schedule = table.service.get_schedule("s")
    assert schedule.made == 1
    assert schedule.skipped >= 5


def test_ticks_of_one_page_fill_a_queue_together(make_settings: SettingsMaker) -> None:
    table = Timetable(make_settings(queues={"q": {"max_length": 2}, "r": {}}, only_queues=True))
    for name in ("a", "b", "c"):
        add(table, name)
    for name in ("a", "b", "c"):
        table.come_due(name)
    table.ticker().page()
    assert len(table.jobs()) == 2
    assert [table.service.get_schedule(name).errors for name in ("a", "b", "c")].count(1) == 1
    table.close()


def test_a_ticker_takes_notice_of_a_change(table: Timetable) -> None:
    add(table)
    ticker = table.ticker()
    table.come_due("s", 10)
    ticker.page()
    table.service.add_repeating_job("q", "work", {"n": 2}, every=NEVER, id="s")
    tick = table.now_s() + 1  # a change counts from now on
    table.put_back("s", next=tick)
    wait_until(lambda: ticker.page() and len(table.jobs()) == 2, 10, "the next tick")
    assert table.service.get_job("q", f"s:{tick}").payload == {"n": 2}


def test_what_a_queue_keeps_of_a_tick_after_the_schedule_left_stays(table: Timetable) -> None:
    """A process that is late to let it be forgotten: the schedule is back, and has ticked."""
    add(table)
    gone_ms = schedules.now_ms(table.store) - 5_000
    table.come_due("s")
    table.ticker().page()
    assert table.store.call(*schedules.forget_call("q", "s", gone_ms)) == 0
    assert "s" in table.stored_ticks()
    assert table.store.call(*schedules.forget_call("q", "s", gone_ms + 60_000)) == 1
    assert table.stored_ticks() == {}


def test_a_page_that_took_too_long_adds_nothing(table: Timetable) -> None:
    add(table)
    tick = table.come_due("s")
    definition = define("q", "work", {"n": 1}, every=NEVER, id="s")
    job = table.ticker()._admission.job(definition, f"s:{tick}", tick * 1000, 0)
    spec = table.settings.catalogue["q"]
    now = schedules.now_ms(table.store)
    late = schedules.tick_call(spec, 100, now - 31_000, [(definition, tick, job)])
    assert schedules.ticked(table.store.call(*late)) == "late"
    assert table.jobs() == []
    in_time = schedules.tick_call(spec, 100, now - 20_000, [(definition, tick, job)])
    assert schedules.ticked(table.store.call(*in_time)) == [("a", f"s:{tick}")]


def test_clocks_that_are_off_by_a_day_have_no_effect(table: Timetable, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    for number, off in enumerate((86_400, -86_400)):
        monkeypatch.setattr("time.time", lambda off=off: real() + off)
        name = f"s{number}"
        add(table, name, cron="0 0 1 1 *")
        tick = table.come_due(name)
        ticker = table.other_process()
        ticker.page()
        ticker.page()
        assert table.jobs()[number:] == [f"{name}:{tick}"]
        job = table.service.get_job("q", f"{name}:{tick}")
        assert abs(job.added_ms - tick * 1000) < 60_000
        assert table.service.get_schedule(name).next_ms > tick * 1000


def test_many_that_are_due_at_once_are_dealt_with_page_by_page(table: Timetable) -> None:
    names = [f"s{number:03}" for number in range(450)]
    for name in names:
        add(table, name)
    expected = {f"{name}:{table.come_due(name)}" for name in names}
    ticker = table.ticker()
    for _ in range(3):
        ticker.page()
    assert set(table.jobs()) == expected


# What becomes of ticks


@pytest.mark.parametrize(("catch_up", "ago"), [("none", [30]), ("one", [90, 30]), ("all", [210, 150, 90, 30])])
def test_missed_ticks_are_caught_up_with_as_asked(table: Timetable, catch_up: Any, ago: list[int]) -> None:
    now = table.now_s()
    start = datetime.fromtimestamp(now - 30, UTC)
    add(table, every=60, start=start, aligned=False, catch_up=catch_up)
    table.put_back("s", next=now - 210)
    # Counted from its start, ticks come at multiples of 60 s before it as well.
    entry = table.entry("s")
    assert entry.next_s == now - 210
    definition = define("q", "work", {"n": 1}, every=60, start=start - timedelta(seconds=180), aligned=False, id="s",
                        catch_up=catch_up)  # fmt: skip
    table.put_back("s", next=now - 210, definition=definition.encoded())
    table.ticker().page()
    assert table.jobs() == [f"s:{now - each}" for each in ago]
    schedule = table.service.get_schedule("s")
    assert (schedule.made, schedule.skipped) == (len(ago), 4 - len(ago))


def test_overlap_skip_passes_over_ticks_while_the_previous_job_has_not_ended(table: Timetable) -> None:
    add(table, overlap="skip")
    ticker = table.ticker()
    first = table.come_due("s", 20)
    ticker.page()
    table.come_due("s", 10)
    ticker.page()
    assert table.jobs() == [f"s:{first}"]
    assert table.service.get_schedule("s").skipped == 1
    table.end_job(f"s:{first}")
    third = table.come_due("s")
    ticker.page()
    assert table.jobs() == [f"s:{third}"]
    schedule = table.service.get_schedule("s")
    assert (schedule.made, schedule.skipped, schedule.last_job) == (2, 1, f"s:{third}")


def test_overlap_queue_adds_what_waited_oldest_first(table: Timetable) -> None:
    add(table, overlap="queue")
    ticker = table.ticker()
    ticks = []
    for ago in (30, 20, 10):
        ticks.append(table.come_due("s", ago))
        ticker.page()
    assert table.jobs() == [f"s:{ticks[0]}"]
    assert table.service.get_schedule("s").queued == 2
    for before, following in pairwise(ticks):
        table.end_job(f"s:{before}")
        table.put_back("s")
        ticker.page()
        assert table.jobs() == [f"s:{following}"]
    schedule = table.service.get_schedule("s")
    assert (schedule.made, schedule.queued, schedule.skipped) == (3, 0, 0)


def test_overlap_allow_does_not_wait(table: Timetable) -> None:
    add(table)
    ticker = table.ticker()
    ticks = []
    for ago in (20, 10):
        ticks.append(table.come_due("s", ago))
        ticker.page()
    assert table.jobs() == [f"s:{tick}" for tick in ticks]


def test_after_so_many_jobs_it_has_ended(table: Timetable) -> None:
    add(table, limit=2)
    ticker = table.ticker()
    for ago in (20, 10):
        table.come_due("s", ago)
        ticker.page()
    schedule = table.service.get_schedule("s")
    assert (schedule.made, schedule.ended, schedule.next_ms) == (2, "limit", 0)
    assert table.service.preview_schedule("s") == []
    table.put_back("s")
    ticker.page()
    assert len(table.jobs()) == 2


def test_a_delay_by_jitter_is_the_jobs_own(table: Timetable) -> None:
    add(table, jitter=3_600)
    tick = table.come_due("s")
    table.ticker().page()
    job = table.service.get_job("q", f"s:{tick}")
    assert job.state == "delayed"
    assert tick * 1000 < job.due_ms < (tick + 3_600) * 1000


def test_a_job_that_cannot_be_added_is_noted_and_the_schedule_goes_on(table: Timetable) -> None:
    add(table, "gone")
    add(table, "fine", "r", "rest")
    for name in ("gone", "fine"):
        table.come_due(name)
    definition = define("q", "nobody", every=NEVER, id="gone")
    table.put_back("gone", definition=definition.encoded())
    ticker = table.ticker()
    ticker.page()
    schedule = table.service.get_schedule("gone")
    assert (schedule.errors, schedule.made, schedule.ended) == (1, 0, "")
    assert "nobody" in schedule.last_error
    assert schedule.last_error_ms > 0
    assert schedule.next_ms > table.now_s() * 1000
    assert len(table.jobs("r")) == 1


def test_a_full_queue_is_noted_and_the_tick_does_not_come_later(make_settings: SettingsMaker) -> None:
    table = Timetable(make_settings(queues={"q": {"max_length": 1}, "r": {}}, only_queues=True))
    table.service.add_job("q", "work", id="in-the-way")
    add(table)
    table.come_due("s")
    table.ticker().page()
    schedule = table.service.get_schedule("s")
    assert (schedule.errors, schedule.made) == (1, 0)
    assert "full" in schedule.last_error
    table.service.drain_queue("q")
    table.put_back("s", next=schedule.next_ms // 1000)
    table.ticker().page()
    assert table.jobs() == []
    table.close()


def test_a_schedule_that_cannot_be_read_does_not_hold_up_the_others(table: Timetable) -> None:
    for name in ("broken", "damaged", "fine"):
        add(table, name)
    ticks = {name: table.come_due(name) for name in ("broken", "damaged", "fine")}
    table.put_back("broken", definition=b"not JSON")
    key = f"{table.settings.prefix}:{{0}}:schedules"
    table.store.execute("HSET", key, "damaged", b"\xc1")
    table.ticker().page()
    assert table.jobs() == [f"fine:{ticks['fine']}"]
