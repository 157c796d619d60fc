"""What a schedule may be, how it is stored, and what actors may declare."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dramatiq
import pytest
from periodiq import cron as periodiq_cron
from periodiq import pendulum
from pydantic import BaseModel

from callboard import CallboardBroker
from callboard.errors import InvalidOption, InvalidSchedule, PayloadInvalid
from callboard.packing import pack
from callboard.schedules.beside import scheduled_at
from callboard.schedules.declared import Periodic, declaration
from callboard.schedules.definition import MAX_ID, Definition, decoded, define
from callboard.schedules.state import PLACES, entry_of, flat, schedule_of
from callboard.schedules.times import Times
from callboard.settings import Settings
from tests.support.schedules import second

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "either cron or every"),
        ({"cron": "* * * * *", "every": 5}, "either cron or every"),
        ({"cron": "* * * *"}, "4 fields"),
        ({"cron": 5}, "cron is text"),
        ({"cron": "* * * * *", "timezone": "Mars/Olympus"}, "IANA"),
        ({"cron": "* * * * *", "aligned": True}, "aligned goes with every"),
        ({"every": 0}, "whole number of seconds"),
        ({"every": 1.5}, "whole number of seconds"),
        ({"every": -5}, "whole number of seconds"),
        ({"every": True}, "whole number of seconds"),
        ({"every": float("inf")}, "whole number of seconds"),
        ({"every": float("nan")}, "whole number of seconds"),
        ({"every": "60"}, "whole number of seconds"),
        ({"every": 10**12}, "whole number of seconds"),
        ({"every": 60, "timezone": "Europe/Berlin"}, "timezone goes with cron"),
        ({"every": 60, "aligned": False}, "needs a start"),
        ({"every": 60, "start": NOW, "end": NOW - timedelta(seconds=1)}, "start is after end"),
        ({"every": 60, "start": NOW.replace(tzinfo=None)}, "start is not a datetime with a time zone"),
        ({"every": 60, "end": "2030-01-01"}, "end is not a datetime with a time zone"),
        ({"every": 60, "limit": 0}, "limit 0"),
        ({"every": 60, "limit": 2.0}, "limit 2.0"),
        ({"every": 60, "jitter": -1}, "jitter -1"),
        ({"every": 60, "jitter": 100_000}, "jitter 100000"),
        ({"every": 60, "catch_up": "some"}, "none, one, all"),
        ({"every": 60, "overlap": "yes"}, "allow, skip, queue"),
        ({"every": 60, "id": "a/b"}, "schedule id"),
        ({"every": 60, "id": ""}, "schedule id"),
        ({"every": 60, "id": "x" * (MAX_ID + 1)}, "schedule id"),
        ({"every": 60, "delay": 5}, "delay is not for schedules"),
        ({"every": 60, "run_at": NOW}, "run_at is not for schedules"),
        ({"every": 60, "payload": {"at": NOW}}, "JSON"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSchedule, match=said):
        define("q", "work", **given)


def test_what_is_stored_is_read_back_as_it_was() -> None:
    definition = define(
        "q", "work", {"a": [1, {"b": "ü"}]}, cron="0 9 * * mon", timezone="Europe/Berlin", id="weekly", jitter=5,
        start=NOW, end=NOW + timedelta(days=700), limit=9, catch_up="one", overlap="queue", priority=3, tags=["x"],
    )  # fmt: skip
    assert decoded(definition.encoded()) == definition
    assert decoded(define("q", "work", every=5).encoded()) == define("q", "work", every=5)


def test_the_same_schedule_is_the_same_bytes_and_without_an_id_has_the_same_one() -> None:
    one = define("q", "work", {"a": 1, "b": 2}, cron="0  9 * * *")
    other = define("q", "work", {"b": 2, "a": 1}, cron=" 0 9 * * * ", priority=None)
    assert one.encoded() == other.encoded()
    assert one.id == other.id
    assert re.fullmatch(r"work-[0-9a-f]{10}", one.id)
    assert define("q", "work", {"a": 1, "b": 3}, cron="0 9 * * *").id != one.id
    assert len(define("q", "w" * 200, every=5).id) <= MAX_ID


def test_the_stored_entry_has_its_places_where_the_script_has_them() -> None:
    text = (Path(__file__).parents[2] / "callboard/verbs/includes/schedule.lua").read_text()
    names = re.findall(r"local ([A-Z_, \n]+) = ([\d, ]+)\n", text)
    places = {
        name.strip(): int(number)
        for left, right in names
        for name, number in zip(left.split(","), right.split(","), strict=True)
    }
    words = {
        "queue": "OF_QUEUE", "skipped": "SKIPPED_TICKS", "error": "LAST_ERROR", "paused": "PAUSED_AT",
    }  # fmt: skip
    assert places == {words.get(name, name.upper()): i for i, name in enumerate(PLACES, 1)}


def test_an_entry_is_read_and_shown() -> None:
    definition = define("q", "work", every=60, id="s")
    packed = pack([7, 9, "q", "api", definition.encoded(), 120, 60, "s:60", 4, 3, 2, "no room", 99, 0, "", "", "", [1]])
    entry = entry_of("s", packed)
    assert (entry.revision, entry.step, entry.next_s, entry.queued) == (7, 9, 120, [1])
    schedule = schedule_of(entry)
    assert (schedule.next_ms, schedule.last_ms, schedule.last_job, schedule.made) == (120_000, 60_000, "s:60", 4)
    assert (schedule.queued, schedule.last_error, schedule.paused, schedule.ended) == (1, "no room", False, "")
    assert flat(schedule).keys() >= {"id", "queue", "cron", "every_s", "next_ms", "made", "paused"}


# What actors declare


@pytest.mark.parametrize("text", ["*/5 * * * *", "0 0 * * 0", "@weekly", "0 9 * * mon-fri", "0 0 1 1 *"])
def test_periodiqs_cron_is_read_as_the_text_that_it_was_made_from(text: str) -> None:
    assert declaration("work", "q", periodiq_cron(text)).cron == text


def test_a_spec_that_was_changed_is_read_by_its_values() -> None:
    spec = periodiq_cron("*/5 * * * sun").replace(h=[1, 2, 3], m=[0, 30, 59])
    assert declaration("work", "q", spec).cron == "0,30,59 1,2,3 * * 0"


def test_what_periodiq_reckons_wrongly_is_right() -> None:
    sunday = declaration("work", "q", periodiq_cron("0 0 * * 0"))
    assert Times(sunday).after(second(2026, 11, 24)) == second(2026, 11, 29)
    assert not periodiq_cron("0 0 * * 0").validate(pendulum.datetime(2026, 11, 29))


def test_text_and_objects_are_declared_too() -> None:
    assert declaration("work", "q", "@weekly").cron == "@weekly"
    found = declaration("work", "q", {"every": 30, "overlap": "skip", "payload": {"a": 1}, "priority": 9})
    assert (found.id, found.every_s, found.overlap, found.payload, found.options) == (
        "work", 30, "skip", {"a": 1}, {"priority": 9},
    )  # fmt: skip
    assert declaration("work", "q", {"cron": "0 9 * * *", "timezone": "Asia/Tokyo"}).timezone == "Asia/Tokyo"


@pytest.mark.parametrize(
    ("periodic", "said"),
    [
        ("every day", "work: cron 'every day' has 2 fields"),
        ({"cron": "* * * * *", "zone": "UTC", "every": 4}, "work: give either"),
        ({"queue": "x", "every": 4}, "work: periodic="),
        (5, "work: periodic=5"),
    ],
)
def test_a_declaration_that_cannot_be_names_its_actor(periodic: Any, said: str) -> None:
    with pytest.raises(InvalidSchedule, match=said):
        declaration("work", "q", periodic)


class Wanted(BaseModel):
    name: str


def broker() -> CallboardBroker:
    return CallboardBroker(Settings(queues={"q": {}}, only_queues=True))


def test_an_actor_declares_its_schedule_without_periodiqs_middleware() -> None:
    at = broker()

    @dramatiq.actor(broker=at, queue_name="q", periodic=periodiq_cron("*/5 * * * *"))
    def five() -> None: ...

    @dramatiq.actor(broker=at, queue_name="q", periodic="@weekly")
    def weekly() -> None: ...

    @dramatiq.actor(broker=at, queue_name="q")
    def never() -> None: ...

    found = [(each.id, each.cron) for each in at.declared_schedules()]
    assert found == [("five", "*/5 * * * *"), ("weekly", "@weekly")]


def test_a_schedule_that_cannot_be_is_refused_when_its_actor_is_declared() -> None:
    with pytest.raises(InvalidSchedule, match="wrong: cron"):
        dramatiq.actor(broker=broker(), queue_name="q", actor_name="wrong", periodic="* * * *")(lambda: None)
    wanted: dict[str, Any] = {"queue_name": "q", "actor_name": "w", "payload": Wanted}
    with pytest.raises(PayloadInvalid, match="name"):
        dramatiq.actor(broker=broker(), periodic="@daily", **wanted)(lambda w: None)
    fits = {"cron": "@daily", "payload": {"name": "Ada"}}
    dramatiq.actor(broker=broker(), periodic=fits, **wanted)(lambda w: None)
    with pytest.raises(InvalidOption, match="no option 'zone'"):
        dramatiq.actor(broker=broker(), periodic={**fits, "zone": "UTC"}, **wanted)(lambda w: None)
    assert issubclass(InvalidSchedule, Exception)
    assert not issubclass(InvalidSchedule, InvalidOption)


def test_the_command_periodiq_can_ask_what_was_declared_in_another_way() -> None:
    """Its scheduler calls these three on each actor's option."""
    spec = Periodic(declaration("work", "q", {"cron": "0 9 * * sun", "timezone": "Europe/Berlin"}))
    sunday = pendulum.datetime(2026, 11, 29, 8, 0, 17)
    assert spec.validate(sunday)
    assert not spec.validate(sunday.add(minutes=1))
    assert spec.next_valid_date(sunday) - sunday == timedelta(days=7, seconds=-17)
    assert str(spec) == "0 9 * * sun Europe/Berlin"
    over = Periodic(define("q", "work", cron="@daily", end=NOW, id="s"))
    assert over.next_valid_date(sunday) > sunday.add(years=1000)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (str(pendulum.datetime(2026, 11, 24, 12, tz="Europe/Berlin")), second(2026, 11, 24, 11)),
        ("2026-11-24T12:00:00+00:00", second(2026, 11, 24, 12)),
        ("2026-11-24 12:00:00", None),
        ("soon", None),
        (5, None),
    ],
)
def test_when_periodiq_says_its_message_is_for(said: Any, expected: int | None) -> None:
    assert scheduled_at({"scheduled_at": said}) == expected


def test_a_definition_says_when_it_ticks() -> None:
    assert define("q", "work", every=90).when == "every 90 s"
    assert define("q", "work", cron="0 9 * * *").when == "0 9 * * *"
    assert isinstance(define("q", "work", cron="0 9 * * *", timezone="Asia/Tokyo"), Definition)
