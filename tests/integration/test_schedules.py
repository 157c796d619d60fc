"""Schedules on each kind of server: made, looked at, refused, previewed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from callboard.errors import (
    InvalidOption,
    InvalidSchedule,
    PayloadTooLarge,
    ScheduleNotFound,
    UnknownActor,
    UnknownQueue,
)
from callboard.schedules.definition import define
from tests.support.schedules import Timetable, add


def test_a_schedule_is_made_and_read_back(table: Timetable) -> None:
    made = table.service.add_repeating_job(
        "q", "work", {"n": 1}, cron="0 9 * * mon", timezone="Europe/Berlin", id="weekly", priority=3, catch_up="one"
    )
    assert made == table.service.get_schedule("weekly")
    assert (made.id, made.queue, made.actor, made.origin) == ("weekly", "q", "work", "api")
    assert (made.definition.payload, made.definition.options) == ({"n": 1}, {"priority": 3})
    assert made.next_ms > table.now_s() * 1000
    assert (made.made, made.last_ms, made.last_job, made.ended, made.paused) == (0, 0, "", "", False)
    assert table.service.preview_schedule("weekly", 1)[0].timestamp() * 1000 == made.next_ms


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"queue": "nowhere"}, UnknownQueue),
        ({"actor": "nobody"}, UnknownActor),
        ({"actor": "rest"}, UnknownActor),
        ({"priority": 5_000}, InvalidOption),
        ({"prioritty": 5}, InvalidOption),
        ({"cron": "61 * * * *"}, InvalidSchedule),
        ({"cron": "* * * * *", "timezone": "Nowhere"}, InvalidSchedule),
        ({"start": datetime(2030, 1, 2, tzinfo=UTC), "end": datetime(2030, 1, 1, tzinfo=UTC)}, InvalidSchedule),
        ({"end": datetime(2020, 1, 1, tzinfo=UTC)}, InvalidSchedule),
        ({"tags": "x"}, InvalidOption),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(table: Timetable, given: dict[str, Any], error: Any) -> None:
    with pytest.raises(error):
        add(table, **given)
    assert table.service.get_schedules().total == 0


def test_a_payload_over_the_limit_is_refused(table: Timetable) -> None:
    with pytest.raises(PayloadTooLarge):
        table.service.add_repeating_job("q", "work", {"text": "x" * 300_000}, every=60)


def test_schedules_are_listed_by_id_page_by_page_and_by_queue(table: Timetable) -> None:
    for number in range(25):
        add(table, f"s{number:02}", *(("r", "rest") if number % 5 == 0 else ("q", "work")))
    first = table.service.get_schedules(limit=20)
    assert [each.id for each in first.schedules] == [f"s{number:02}" for number in range(20)]
    assert first.total == 25
    rest = table.service.get_schedules(limit=20, cursor=first.cursor)
    assert [each.id for each in rest.schedules] == [f"s{number:02}" for number in range(20, 25)]
    assert rest.cursor is None
    of_r = table.service.get_schedules("r")
    assert [each.id for each in of_r.schedules] == ["s00", "s05", "s10", "s15", "s20"]
    with pytest.raises(UnknownQueue):
        table.service.get_schedules("nowhere")
    with pytest.raises(InvalidOption):
        table.service.get_schedules(cursor="a/b")
    with pytest.raises(InvalidOption):
        table.service.get_schedules(limit=0)


@pytest.mark.parametrize(
    "verb", ["get_schedule", "pause_schedule", "resume_schedule", "run_schedule_now", "delete_schedule",
             "preview_schedule"],
)  # fmt: skip
def test_a_schedule_that_is_not_there_is_not_found(table: Timetable, verb: str) -> None:
    with pytest.raises(ScheduleNotFound):
        getattr(table.service, verb)("nothing")
    with pytest.raises(InvalidSchedule):
        getattr(table.service, verb)("not an id")


def test_a_preview_is_in_the_schedules_zone_and_ends_with_it(table: Timetable) -> None:
    definition = define("q", "work", cron="30 2 * * *", timezone="Europe/Berlin", id="s")
    found = table.service.preview_schedule(definition, 3)
    assert [f"{at:%H:%M}" for at in found] in (["02:30"] * 3, ["03:00", "02:30", "02:30"], ["02:30", "03:00", "02:30"],
                                             ["02:30", "02:30", "03:00"])  # fmt: skip
    add(table, every=60, limit=2)
    assert len(table.service.preview_schedule("s", 10)) == 2
    with pytest.raises(InvalidOption):
        table.service.preview_schedule("s", 0)
