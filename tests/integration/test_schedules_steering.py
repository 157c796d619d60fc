"""Schedules on each kind of server: paused, run now, changed, deleted, made anew."""

from __future__ import annotations

from typing import Any

from callboard.packing import pack
from callboard.schedules.definition import define
from callboard.schedules.turn import put_off
from callboard.verbs import schedules
from tests.support.schedules import NEVER, Timetable, add
from tests.support.wait import wait_until


def test_a_paused_schedule_ticks_no_more_until_it_is_resumed(table: Timetable) -> None:
    add(table, every=1)
    assert table.service.pause_schedule("s", "moving house", "ada")
    assert not table.service.pause_schedule("s")
    schedule = table.service.get_schedule("s")
    assert (schedule.paused, schedule.paused_reason, schedule.paused_by) == (True, "moving house", "ada")
    assert schedule.next_ms == 0
    found, following = table.ticker().page()
    assert (table.jobs(), following) == ([], 0)
    assert table.service.resume_schedule("s")
    assert not table.service.resume_schedule("s")
    schedule = table.service.get_schedule("s")
    assert (schedule.paused, schedule.paused_reason) == (False, "")
    assert schedule.next_ms > found


def test_a_pause_while_it_is_looked_at_holds(table: Timetable) -> None:
    add(table)
    tick = table.come_due("s")
    before = table.entry("s")
    table.service.pause_schedule("s")
    assert schedules.done(table.store, [put_off(before, 5)], []) == 1
    table.ticker().page()
    assert table.jobs() == []
    assert table.entry("s").next_s == tick


def test_run_now_adds_a_job_and_changes_nothing(table: Timetable) -> None:
    add(table, limit=5, overlap="skip")
    before = table.service.get_schedule("s")
    first, other = table.service.run_schedule_now("s"), table.service.run_schedule_now("s")
    assert sorted(table.jobs()) == sorted([first, other])
    assert table.service.get_job("q", first).payload == {"n": 1}
    assert table.service.get_schedule("s") == before
    table.service.pause_schedule("s")
    table.service.run_schedule_now("s")
    assert len(table.jobs()) == 3


def test_adding_it_again_changes_nothing(table: Timetable) -> None:
    add(table, every=60)
    table.come_due("s")
    table.ticker().page()
    before = table.entry("s")
    add(table, every=60)
    assert table.entry("s") == before


def test_without_an_id_the_same_schedule_is_there_once(table: Timetable) -> None:
    for _ in range(2):
        table.service.add_repeating_job("q", "work", every=60)
    assert table.service.get_schedules().total == 1


def test_a_change_keeps_pause_and_counts_and_ticks_only_from_now_on(table: Timetable) -> None:
    add(table)
    ticker = table.ticker()
    table.come_due("s", 20)
    ticker.page()
    missed = table.come_due("s", 5)
    before = schedules.due(table.store)
    add(table, cron="0 0 1 1 *")
    schedule = table.service.get_schedule("s")
    assert (schedule.made, schedule.definition.cron) == (1, "0 0 1 1 *")
    assert schedule.next_ms > table.now_s() * 1000

    # A ticker that saw it before the change, and comes to add now.
    definition = define("q", "work", {"n": 1}, every=NEVER, id="s")
    job = ticker._admission.job(definition, f"s:{missed}", 0, 0)
    call = schedules.tick_call(table.settings.catalogue["q"], 100, before.now_ms, [(definition, missed, job)])
    assert schedules.ticked(table.store.call(*call))[0][0] == "b"  # type: ignore[index]
    assert schedules.done(table.store, [put_off(before.entries[0], 1)], []) == 0
    assert len(table.jobs()) == 1

    table.service.pause_schedule("s")
    add(table, every=90)
    assert table.service.get_schedule("s").paused


def test_a_deleted_schedule_adds_nothing_more_and_its_jobs_stay(table: Timetable) -> None:
    add(table)
    ticker = table.ticker()
    tick = table.come_due("s", 20)
    ticker.page()
    late = table.come_due("s", 5)
    seen = schedules.due(table.store)
    table.service.delete_schedule("s")
    definition = define("q", "work", {"n": 1}, every=NEVER, id="s")
    job = ticker._admission.job(definition, f"s:{late}", 0, 0)
    call = schedules.tick_call(table.settings.catalogue["q"], 100, seen.now_ms, [(definition, late, job)])
    assert schedules.ticked(table.store.call(*call))[0][0] == "b"  # type: ignore[index]
    assert schedules.done(table.store, [put_off(seen.entries[0], 1)], []) == 0
    ticker.page()
    assert table.jobs() == [f"s:{tick}"]
    assert table.service.get_schedules().total == 0


def test_one_that_is_made_anew_after_its_deletion_begins_anew(table: Timetable) -> None:
    add(table, limit=1)
    first = table.come_due("s", 20)
    ticker = table.ticker()
    ticker.page()
    table.service.delete_schedule("s")
    add(table, limit=1)
    schedule = table.service.get_schedule("s")
    assert (schedule.made, schedule.ended) == (0, "")
    again = table.now_s() + 1
    table.put_back("s", next=again)
    wait_until(lambda: ticker.page() and len(table.jobs()) == 2, 10, "the tick after it was made anew")
    assert table.jobs() == [f"s:{first}", f"s:{again}"]


def test_what_a_queue_keeps_of_a_schedule_goes_with_it(table: Timetable) -> None:
    times = f"{table.settings.prefix}:{{0}}:schedule_times"
    add(table, "deleted")
    add(table, "moved")
    for name in ("deleted", "moved"):
        table.come_due(name)
    ticker = table.ticker()
    ticker.page()
    table.service.delete_schedule("deleted")
    add(table, "moved", "r", "rest")
    assert table.stored_ticks().keys() == {"deleted", "moved"}
    ticker.page()
    assert table.stored_ticks().keys() == {"deleted", "moved"}, "not before a minute has gone by"
    for name in ("q/deleted", "q/moved"):
        # As if the minute had gone by.
        assert table.store.execute("ZSCORE", times, name) is not None
        table.store.execute("ZADD", times, table.now_s() * 1000, name)
    for name, kept in table.stored_ticks().items():
        table.store.execute("HSET", table.store.key("q", "ticks"), name, _older(kept))
    ticker.page()
    assert table.stored_ticks() == {}
    assert table.store.execute("ZRANGE", times, 0, -1) == [b"moved"]


def _older(kept: list[Any]) -> bytes:
    return pack([kept[0] - 120_000, *kept[1:]])


def test_a_schedule_that_came_back_is_not_forgotten(table: Timetable) -> None:
    add(table)
    table.come_due("s")
    ticker = table.ticker()
    ticker.page()
    table.service.delete_schedule("s")
    add(table)
    times = f"{table.settings.prefix}:{{0}}:schedule_times"
    assert table.store.execute("ZSCORE", times, "q/s") is None
    assert "s" in table.stored_ticks()


def test_the_keys_of_a_deployment_are_the_declared_ones(table: Timetable) -> None:
    add(table)
    table.service.delete_schedule("s")
    times = f"{table.settings.prefix}:{{0}}:schedule_times"
    assert table.store.execute("ZRANGE", times, 0, -1) == [b"q/s"]
    for name in ("schedules", "schedule_ids"):
        assert table.store.execute("EXISTS", f"{table.settings.prefix}:{{0}}:{name}") == 0


def test_a_queue_that_is_being_obliterated_takes_no_tick(table: Timetable) -> None:
    add(table)
    table.come_due("s")
    table.store.execute("HSET", table.store.key("q", "meta"), "closed", 1)
    table.ticker().page()
    schedule = table.service.get_schedule("s")
    assert (schedule.errors, schedule.made) == (1, 0)
    assert "obliterated" in schedule.last_error
    table.store.execute("HDEL", table.store.key("q", "meta"), "closed")
