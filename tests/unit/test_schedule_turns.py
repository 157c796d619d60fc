"""What one look at a schedule brings about, and a year of looks."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from callboard.schedules.definition import Definition, define
from callboard.schedules.state import Entry
from callboard.schedules.times import Times, job_id
from callboard.schedules.turn import ADDED, AT_ONCE, FULL, IN_TIME_S, MAX_QUEUED, SKIPPED, WAITS, Settled, look, settle
from tests.support.schedules import second

NOON = second(2026, 11, 24, 12)
MINUTE = 60


def schedule(**given: Any) -> Definition:
    return define("q", "work", id="s", **{"every": MINUTE, **given})


def entry(definition: Definition, next_s: int, **fields: Any) -> Entry:
    known: dict[str, Any] = {
        "id": definition.id, "revision": 1, "step": 1, "queue": "q", "origin": "api", "definition": b"",
        "next_s": next_s, "last_s": 0, "last_job": "", "made": 0, "skipped": 0, "errors": 0, "error": "", "error_ms": 0,
        "paused_ms": 0, "pause_reason": "", "paused_by": "", "ended": "", "queued": [],
    }  # fmt: skip
    return Entry(**{**known, **fields})


def turn(definition: Definition, at: Entry, now_s: int, codes: str | None = None) -> tuple[list[int], Settled]:
    """A look whose ticks come to what ``codes`` say (default: all added)."""
    seen = look(Times(definition), definition, at, now_s * 1000)
    outcomes = [(code, job_id("s", tick)) for code, tick in zip(codes or ADDED * 1_000, seen.ticks, strict=False)]
    return seen.ticks, settle(definition, at, seen, outcomes, now_s * 1000)


def test_a_tick_that_is_due_is_added_and_the_next_one_is_looked_at_in_time() -> None:
    ticks, after = turn(schedule(), entry(schedule(), NOON), NOON)
    assert ticks == [NOON]
    assert (after.made, after.skipped, after.errors) == (1, 0, 0)
    assert (after.last_s, after.last_job) == (NOON, f"s:{NOON}")
    assert (after.next_s, after.look_ms) == (NOON + MINUTE, (NOON + MINUTE) * 1000)


def test_a_look_before_the_tick_adds_nothing() -> None:
    ticks, after = turn(schedule(), entry(schedule(), NOON), NOON - 1)
    assert ticks == []
    assert (after.made, after.next_s, after.look_ms) == (0, NOON, NOON * 1000)


@pytest.mark.parametrize(
    ("catch_up", "ticks", "skipped"),
    [("none", [3_600, 3_660], 60), ("one", [3_540, 3_600, 3_660], 59), ("all", list(range(0, 3_661, 60)), 0)],
)
def test_ticks_that_were_missed(catch_up: Any, ticks: list[int], skipped: int) -> None:
    """No worker ran for an hour and a minute: the last two ticks are at most a minute late, which is in time."""
    definition = schedule(catch_up=catch_up)
    found, after = turn(definition, entry(definition, NOON), NOON + 3_660)
    assert found == [NOON + each for each in ticks]
    assert (after.made, after.skipped, after.next_s) == (len(ticks), skipped, NOON + 3_720)


def test_a_minute_late_is_in_time_and_more_is_not() -> None:
    definition = schedule(every=3_600)
    assert turn(definition, entry(definition, NOON), NOON + IN_TIME_S)[0] == [NOON]
    found, after = turn(definition, entry(definition, NOON), NOON + IN_TIME_S + 1)
    assert (found, after.skipped) == ([], 1)


@pytest.mark.parametrize("catch_up", ["none", "one", "all"])
def test_a_long_absence_is_made_up_for_piece_by_piece(catch_up: Any) -> None:
    definition = schedule(every=1, catch_up=catch_up)
    late = 5 * AT_ONCE + 7
    now = NOON + late + IN_TIME_S
    at, added, skipped, looks = entry(definition, NOON), [], 0, 0
    while at.next_s <= now:
        ticks, after = turn(definition, at, now)
        assert len(ticks) <= AT_ONCE + 1
        added, skipped, looks = added + ticks, skipped + after.skipped, looks + 1
        at.next_s, at.made = after.next_s, at.made + after.made
    in_time = list(range(NOON + late, now + 1))
    missed = list(range(NOON, NOON + late))
    assert added == {"none": in_time, "one": [missed[-1], *in_time], "all": [*missed, *in_time]}[catch_up]
    assert len(added) + skipped == late + IN_TIME_S + 1
    assert looks >= 6


def test_one_is_made_up_for_also_when_it_is_the_last_of_a_full_look() -> None:
    definition = schedule(every=1, catch_up="one")
    late = AT_ONCE
    now = NOON + late - 1 + IN_TIME_S + 1
    first, _ = turn(definition, entry(definition, NOON), now)
    assert first == [NOON + late - 1]


def test_the_limit_is_about_jobs_in_all() -> None:
    definition = schedule(limit=3, catch_up="all")
    found, after = turn(definition, entry(definition, NOON, made=1), NOON + 600)
    assert found == [NOON, NOON + MINUTE]
    assert (after.ended, after.look_ms, after.next_s) == ("limit", 0, 0)


def test_skipped_ticks_do_not_count_to_the_limit() -> None:
    definition = schedule(limit=1, overlap="skip")
    _, after = turn(definition, entry(definition, NOON), NOON, SKIPPED)
    assert (after.made, after.skipped, after.ended) == (0, 1, "")


def test_after_the_last_tick_it_has_ended() -> None:
    definition = schedule(end=datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC))
    _, after = turn(definition, entry(definition, NOON), NOON)
    assert (after.made, after.ended, after.look_ms) == (1, "end", 0)


def test_a_full_queue_is_an_error_that_is_told_and_the_schedule_goes_on() -> None:
    _, after = turn(schedule(), entry(schedule(), NOON), NOON, FULL)
    assert (after.made, after.errors, after.last_s) == (0, 1, 0)
    assert "full" in after.error
    assert after.next_s == NOON + MINUTE


def test_a_job_that_could_not_be_made_is_an_error_too() -> None:
    definition = schedule()
    at = entry(definition, NOON)
    seen = look(Times(definition), definition, at, NOON * 1000)
    after = settle(definition, at, seen, [], NOON * 1000, "UnknownActor: no such actor")
    assert (after.errors, after.error, after.next_s) == (1, "UnknownActor: no such actor", NOON + MINUTE)


# Ticks that wait for the previous job


def test_ticks_that_wait_are_kept_in_order_and_go_one_by_one() -> None:
    definition = schedule(overlap="queue")
    at = entry(definition, NOON)
    _, after = turn(definition, at, NOON)
    assert (after.made, list(after.queued)) == (1, [])

    at = entry(definition, NOON + 60)
    ticks, after = turn(definition, at, NOON + 60, WAITS)
    assert (ticks, list(after.queued), after.made, after.skipped) == ([NOON + 60], [NOON + 60], 0, 0)
    assert after.look_ms == (NOON + 61) * 1000, "it is looked at soon, not at its next tick"

    at = entry(definition, NOON + 120, queued=[NOON + 60])
    ticks, after = turn(definition, at, NOON + 120, WAITS)
    assert (ticks, list(after.queued)) == ([NOON + 60], [NOON + 60, NOON + 120])

    at = entry(definition, NOON + 180, queued=[NOON + 60, NOON + 120])
    ticks, after = turn(definition, at, NOON + 121, ADDED)
    assert (ticks, list(after.queued), after.last_s) == ([NOON + 60], [NOON + 120], NOON + 60)


def test_a_tick_that_has_waited_for_long_was_in_time() -> None:
    definition = schedule(overlap="queue", every=3_600)
    ticks, after = turn(definition, entry(definition, NOON + 3_600, queued=[NOON]), NOON + 3_000)
    assert (ticks, after.skipped, after.made) == ([NOON], 0, 1)


def test_what_waits_counts_to_the_limit() -> None:
    definition = schedule(overlap="queue", limit=3)
    _, after = turn(definition, entry(definition, NOON + 60, made=1, queued=[NOON - 60, NOON]), NOON + 60, WAITS)
    assert list(after.queued) == [NOON - 60, NOON]


def test_the_last_ticks_wait_also_after_the_end() -> None:
    definition = schedule(overlap="queue", end=datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC))
    _, after = turn(definition, entry(definition, NOON), NOON, WAITS)
    assert (list(after.queued), after.ended, after.next_s) == ([NOON], "", 0)
    assert after.look_ms > 0
    _, after = turn(definition, entry(definition, 0, queued=[NOON]), NOON + 300, ADDED)
    assert (list(after.queued), after.ended, after.made) == ([], "end", 1)


def test_only_so_many_ticks_wait() -> None:
    definition = schedule(overlap="queue", every=1)
    waiting = list(range(NOON - MAX_QUEUED, NOON))
    _, after = turn(definition, entry(definition, NOON, queued=waiting), NOON, WAITS)
    assert (len(after.queued), after.skipped) == (MAX_QUEUED, 1)


# A year


class Redis:
    """What the scripts do, as far as it matters here: tick.lua adds a tick unless it is not after the last one;
    schedules_done.lua moves a schedule on unless another did."""

    def __init__(self, definition: Definition, first: int) -> None:
        self.definition = definition
        self.entry = entry(definition, first)
        self.look_ms = first * 1000
        self.last = 0
        self.added: list[int] = []

    def tick(self, ticks: list[int]) -> list[tuple[str, str]]:
        for tick in ticks:
            if tick > self.last:
                self.last = tick
                self.added.append(tick)
        return [(ADDED, job_id("s", tick)) for tick in ticks]

    def done(self, after: Settled) -> None:
        if after.step != self.entry.step:
            return
        self.entry.step += 1
        self.entry.next_s, self.entry.ended = after.next_s, after.ended
        self.entry.made += after.made
        self.entry.skipped += after.skipped
        self.look_ms = after.look_ms

    def copy(self) -> Entry:
        return entry(self.definition, self.entry.next_s, step=self.entry.step, made=self.entry.made)


YEAR = [
    {"cron": "*/30 * * * *", "timezone": "Europe/Berlin"},
    {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
    {"cron": "0 * * * *", "timezone": "America/New_York"},
    {"cron": "15 1,2 * * mon-fri", "timezone": "America/New_York"},
    {"cron": "*/20 * * * *", "timezone": "Australia/Lord_Howe"},
    {"cron": "0 0 L * *", "timezone": "America/Santiago"},
    {"cron": "@hourly"},
    {"every": 3_601},
]


@pytest.mark.parametrize("when", YEAR, ids=str)
def test_in_a_year_every_tick_is_added_once_by_tickers_that_die_and_run_at_once(when: dict[str, Any]) -> None:
    chance = random.Random(str(when))
    definition = define("q", "work", id="s", catch_up="all", **when)
    begin, end = second(2026, 1, 1), second(2027, 1, 1)
    first = Times(definition).after(begin)
    assert first is not None
    redis = Redis(definition, first)
    tickers = [Times(definition) for _ in range(3)]
    now_ms = begin * 1000
    while redis.look_ms < end * 1000:
        # Looks are late at times, by hours when all were down.
        now_ms = max(now_ms, redis.look_ms) + chance.choice([0, 0, 0, 1, 700, 45_000, 7_200_000])
        found = []
        for times in tickers[: chance.choice([1, 1, 1, 3])]:
            before = redis.copy()
            found.append((before, look(times, definition, before, now_ms)))
        for before, seen in found:
            if chance.random() < 0.1:
                continue  # it died before it added
            outcomes = redis.tick(seen.ticks)
            if chance.random() < 0.2:
                continue  # it died before it said so
            redis.done(settle(definition, before, seen, outcomes, now_ms))
    expected = [tick for tick in Times(definition).coming(begin, 30_000) if tick <= redis.added[-1]]
    assert redis.added == expected
    assert redis.added[-1] > end - 32 * 86_400
    assert redis.entry.made == len([tick for tick in redis.added if tick < redis.entry.next_s])
