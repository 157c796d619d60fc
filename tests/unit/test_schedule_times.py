"""When schedules tick: cron lines in zones, days on which clocks change, intervals, start and end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from callboard.errors import InvalidSchedule
from callboard.schedules.cron import NICKNAMES, Cron, zone_of
from callboard.schedules.definition import define
from callboard.schedules.times import Times, due_ms
from tests.support.schedules import second

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"

#: Days on which clocks change, with the day before and after: zone -> (forward, back).
CHANGES = {
    BERLIN: ((2026, 3, 29), (2026, 10, 25)),
    NEW_YORK: ((2026, 3, 8), (2026, 11, 1)),
    LORD_HOWE: ((2026, 10, 4), (2026, 4, 5)),  # by half an hour
    "America/Santiago": ((2026, 9, 6), (2026, 4, 5)),  # at midnight
}


def ticks(line: str, zone: str, begin: int, end: int) -> list[int]:
    cron, found = Cron(line, zone_of(zone)), []
    at: int | None = begin - 1
    while (at := cron.after(at)) is not None and at <= end:
        found.append(at)
    return found


def walls(line: str, zone: str, day: str, days: int = 1) -> list[str]:
    """The ticks of a line within local days, as clocks there show them."""
    begin = datetime.fromisoformat(day)
    start = begin.replace(tzinfo=ZoneInfo(zone))
    end = (begin + timedelta(days=days)).replace(tzinfo=ZoneInfo(zone))
    found = ticks(line, zone, int(start.timestamp()), int(end.timestamp()) - 1)
    return [f"{datetime.fromtimestamp(at, ZoneInfo(zone)):%H:%M%z}" for at in found]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("* * * * *", "2026-11-24 12:01"),
        ("*/5 * * * *", "2026-11-24 12:05"),
        ("0 0 * * 0", "2026-11-29 00:00"),
        ("0 0 * * 7", "2026-11-29 00:00"),
        ("0 0 * * sun", "2026-11-29 00:00"),
        ("0 9 * * MON-FRI", "2026-11-25 09:00"),
        ("30 8 1 jan,jul *", "2027-01-01 08:30"),
        ("0 12 13 * 5", "2026-11-27 12:00"),  # both days restricted: either
        ("0 0 29 2 *", "2028-02-29 00:00"),
        ("0 0 31 * *", "2026-12-31 00:00"),
        ("15,45 22-23 * * *", "2026-11-24 22:15"),
        ("0 0 L * *", "2026-11-30 00:00"),
        ("0 0 * * 1#1", "2026-12-07 00:00"),
        ("@yearly", "2027-01-01 00:00"),
        ("@monthly", "2026-12-01 00:00"),
        ("@weekly", "2026-11-29 00:00"),
        ("@Daily", "2026-11-25 00:00"),
        ("@hourly", "2026-11-24 13:00"),
    ],
)
def test_the_next_time_of_a_line(line: str, expected: str) -> None:
    found = Cron(line, zone_of("UTC")).after(second(2026, 11, 24, 12))
    assert found is not None
    assert f"{datetime.fromtimestamp(found, UTC):%Y-%m-%d %H:%M}" == expected


def test_a_line_never_names_the_time_that_it_was_asked_after() -> None:
    cron = Cron("*/10 * * * *", zone_of(BERLIN))
    assert cron.after(second(2026, 11, 24, 12)) == second(2026, 11, 24, 12, 10)
    assert cron.after(second(2026, 11, 24, 12) - 1) == second(2026, 11, 24, 12)
    assert cron.after(second(2026, 11, 24, 12, 0, 30)) == second(2026, 11, 24, 12, 10)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"),
        ("* * 0 * *", "day-of-month"),
        ("* * * 13 *", "month"),
        ("* * * * mo", "day-of-week"),
        ("*/0 * * * *", "minute"),
        ("5-1 * * * *", "minute"),
        ("* * * *", "4 fields"),
        ("* * * * * *", "6 fields"),
        ("", "0 fields"),
        ("@reboot", "none of @yearly"),
        ("@fortnightly", "none of @yearly"),
        ("* * * * 1#9", "day-of-week"),
        ("0 0 31 2 *", "day-of-month"),
    ],
)
def test_a_line_that_is_none_is_refused_and_says_why(line: str, said: str) -> None:
    with pytest.raises(InvalidSchedule, match=said):
        Cron(line, zone_of("UTC"))


@pytest.mark.parametrize("name", ["Europe/Nowhere", "Europe", "", "../etc/passwd", "/etc/localtime", "UTC+25", None, 5])
def test_a_zone_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(InvalidSchedule, match="IANA"):
        zone_of(name)


def test_every_nickname_can_be_read() -> None:
    for name, line in NICKNAMES.items():
        at = second(2026, 5, 17, 3, 33)
        assert Cron(name, zone_of(BERLIN)).after(at) == Cron(line, zone_of(BERLIN)).after(at)


# Days on which clocks change


def test_a_fixed_time_in_the_gap_comes_at_the_first_moment_after_it() -> None:
    day = "2026-03-29"
    assert walls("30 2 * * *", BERLIN, day) == ["03:00+0200"]
    assert walls("0 2 * * *", BERLIN, day) == ["03:00+0200"]
    assert walls("0,15,30 2 * * *", BERLIN, day) == ["03:00+0200"], "once, however many of its times are missing"
    assert walls("0 2,3 * * *", BERLIN, day) == ["03:00+0200"]
    assert walls("30 2,3 * * *", BERLIN, day) == ["03:00+0200", "03:30+0200"]
    assert walls("30 2 * * *", NEW_YORK, "2026-03-08") == ["03:00-0400"]
    assert walls("15 2 * * *", LORD_HOWE, "2026-10-04") == ["02:30+1100"]
    assert walls("0 0 * * *", "America/Santiago", "2026-09-05", 2) == ["00:00-0400", "01:00-0300"]


def test_a_fixed_time_that_comes_twice_is_taken_the_first_time() -> None:
    assert walls("30 2 * * *", BERLIN, "2026-10-25") == ["02:30+0200"]
    assert walls("30 1 * * *", NEW_YORK, "2026-11-01") == ["01:30-0400"]
    assert walls("45 1 * * *", LORD_HOWE, "2026-04-05") == ["01:45+1100"]


def test_a_line_asked_within_the_second_pass_names_no_time_that_has_gone_by() -> None:
    cron = Cron("45 2 * * *", zone_of(BERLIN))
    within = second(2026, 10, 25, 1, 30)  # 02:30 for the second time
    assert cron.after(within) == second(2026, 10, 26, 1, 45)


def test_a_line_with_a_star_follows_elapsed_time() -> None:
    forward = walls("*/30 * * * *", BERLIN, "2026-03-29")
    assert len(forward) == 46
    assert forward[2:6] == ["01:00+0100", "01:30+0100", "03:00+0200", "03:30+0200"]
    back = walls("*/30 * * * *", BERLIN, "2026-10-25")
    assert len(back) == 50
    assert back[4:8] == ["02:00+0200", "02:30+0200", "02:00+0100", "02:30+0100"]
    assert walls("*/30 2 * * *", BERLIN, "2026-03-29") == []
    assert walls("15 * * * *", LORD_HOWE, "2026-04-05")[:3] == ["00:15+1100", "01:15+1100", "02:15+1030"]
    assert walls("45 * * * *", LORD_HOWE, "2026-04-05")[:3] == ["00:45+1100", "01:45+1100", "01:45+1030"]


def test_clocks_that_move_by_half_an_hour_cost_no_run_later_that_day() -> None:
    for day in ("2026-10-04", "2026-04-05"):
        assert [wall[:5] for wall in walls("*/20 5 * * *", LORD_HOWE, day)] == ["05:00", "05:20", "05:40"]


#: Lines whose fields a test can match by itself: (minute, hour) wanted.
LINES: dict[str, Callable[[int, int], bool]] = {
    "* * * * *": lambda minute, hour: True,
    "*/15 * * * *": lambda minute, hour: minute % 15 == 0,
    "*/20 1-3 * * *": lambda minute, hour: minute % 20 == 0 and 1 <= hour <= 3,
    "7 * * * *": lambda minute, hour: minute == 7,
    "0,30 0,2 * * *": lambda minute, hour: minute in (0, 30) and hour in (0, 2),
    "45 1 * * *": lambda minute, hour: (minute, hour) == (45, 1),
    "59 23 * * *": lambda minute, hour: (minute, hour) == (59, 23),
}


def expected(line: str, zone: ZoneInfo, begin: int, end: int) -> Iterator[int]:
    """The rule, applied to each minute: what clocks show, and for fixed times what they have shown or passed over."""
    wanted, fixed = LINES[line], not any(field.startswith("*") for field in line.split()[:2])
    furthest = datetime.fromtimestamp(begin - 60, zone).replace(tzinfo=None)
    for at in range(begin, end + 1, 60):
        wall = datetime.fromtimestamp(at, zone).replace(tzinfo=None)
        if not fixed:
            if wanted(wall.minute, wall.hour):
                yield at
            continue
        passed = []
        while furthest < wall:
            furthest += timedelta(minutes=1)
            passed.append(furthest)
        if any(wanted(each.minute, each.hour) for each in passed):
            yield at


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("way", [0, 1], ids=["forward", "back"])
def test_the_rule_holds_minute_by_minute_around_a_change(line: str, zone: str, way: int) -> None:
    year, month, day = CHANGES[zone][way]
    noon = second(year, month, day, 12)
    begin, end = noon - 2 * 86_400, noon + 2 * 86_400
    assert ticks(line, zone, begin, end) == list(expected(line, ZoneInfo(zone), begin, end))


def test_a_date_that_a_zone_has_left_out_comes_at_its_end() -> None:
    # Samoa had no 30 December 2011.
    found = ticks("0 12 30 12 *", "Pacific/Apia", second(2011, 12, 1), second(2012, 2, 1))
    assert [f"{datetime.fromtimestamp(at, ZoneInfo('Pacific/Apia')):%d %H:%M}" for at in found] == ["31 00:00"]


# Intervals, start, end, jitter


def every(**given: Any) -> Times:
    return Times(define("q", "work", id="s", **given))


def test_an_interval_is_aligned_to_the_epoch() -> None:
    times = every(every=90)
    assert times.after(1_000_000_000) == 1_000_000_080
    assert times.after(1_000_000_080) == 1_000_000_170


def test_an_interval_counts_from_its_start() -> None:
    start = datetime(2026, 11, 24, 12, 0, 7, tzinfo=UTC)
    times = every(every=60, start=start)
    begin = second(2026, 11, 24, 12, 0, 7)
    assert times.after(begin - 10_000) == begin
    assert times.after(begin) == begin + 60
    assert times.after(begin + 61) == begin + 120
    assert every(every=60, start=start, aligned=True).after(begin - 10_000) == second(2026, 11, 24, 12, 1)


def test_nothing_ticks_before_the_start_or_after_the_end() -> None:
    times = every(cron="0 * * * *", start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 1, 2, tzinfo=UTC))
    assert list(times.coming(0, 10)) == [second(2026, 1, 1), second(2026, 1, 1, 1), second(2026, 1, 1, 2)]


def test_a_start_within_a_second_is_rounded_up() -> None:
    start = datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)
    assert every(every=10, start=start).after(0) == second(2026, 1, 1, 0, 0, 1)


def test_jitter_is_the_same_whoever_asks_and_within_its_bounds() -> None:
    definition = define("q", "work", every=60, jitter=30, id="s")
    delays = [due_ms(definition, tick) - tick * 1000 for tick in range(0, 60_000, 60)]
    assert delays == [due_ms(definition, tick) - tick * 1000 for tick in range(0, 60_000, 60)]
    assert all(0 <= delay < 30_000 for delay in delays)
    assert len(set(delays)) > 900
    assert due_ms(define("q", "work", every=60, id="s"), 60) == 60_000
