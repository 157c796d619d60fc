"""``callboard schedules``, as an operator types it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import SettingsMaker
from tests.support.command import Call, caller, ok, read
from tests.support.schedules import NEVER, Timetable

QUEUES: dict[str, Any] = {"q": {}, "r": {}}


@pytest.fixture
def table(make_settings: SettingsMaker) -> Iterator[Timetable]:
    table = Timetable(make_settings(queues=QUEUES, only_queues=True))
    yield table
    table.close()


@pytest.fixture
def call(table: Timetable) -> Call:
    return caller(table.settings, QUEUES, "schedules")


def test_add_makes_a_schedule_and_says_when_it_ticks(table: Timetable, call: Call) -> None:
    said = ok(call("add", "q", "work", "--id", "weekly", "--cron", "0 9 * * mon", "--timezone", "Europe/Berlin",
                   "--payload", '{"n": 1}', "--options", '{"priority": 3}', "--catch-up", "one"))  # fmt: skip
    assert said.startswith("weekly: 0 9 * * mon Europe/Berlin, next at 20")
    schedule = table.service.get_schedule("weekly")
    assert (schedule.definition.payload, schedule.definition.options) == ({"n": 1}, {"priority": 3})
    assert schedule.definition.catch_up == "one"

    given = ("--every", "60", "--jitter", "5", "--limit", "9", "--overlap", "skip")
    made = read(call("add", "q", "work", *given, "--json"))
    assert (made["every_s"], made["jitter_s"], made["limit"], made["overlap"]) == (60, 5.0, 9, "skip")
    aligned = read(call("add", "q", "work", "--every", "60", "--start", "2030-01-01T00:00:07Z", "--aligned", "--json"))
    assert aligned["next_ms"] % 60_000 == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("add", "q", "work", "--cron", "61 * * * *"), 1, "its minute is wrong"),
        (("add", "q", "work"), 1, "give either cron or every"),
        (("add", "q", "nobody", "--every", "60"), 1, "unknown actor"),
        (("add", "nowhere", "work", "--every", "60"), 1, "unknown queue"),
        (("add", "q", "work", "--every", "60", "--payload", "{"), 2, "not JSON"),
        (("add", "q", "work", "--every", "60", "--payload", "[]"), 2, "not a JSON object"),
        (("add", "q", "work", "--every", "60", "--start", "soon"), 2, "ISO 8601"),
        (("show", "nothing"), 1, "no schedule 'nothing'"),
        (("delete", "nothing"), 1, "no schedule 'nothing'"),
        (("preview",), 2, "give either the id"),
        (("preview", "s", "--every", "5"), 2, "give either the id"),
        (("preview", "--cron", "* * *"), 1, "3 fields"),
    ],
)
def test_what_is_refused_is_one_line(call: Call, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = call(*arguments)
    assert result.exit_code == code
    assert said in result.output
    assert "Traceback" not in result.output


def test_list_shows_when_each_ticks_next(table: Timetable, call: Call) -> None:
    table.service.add_repeating_job("q", "work", every=NEVER, id="a")
    table.service.add_repeating_job("r", "rest", cron="@daily", id="b")
    table.service.pause_schedule("b")
    result = call("list")
    rows = [line.split() for line in ok(result).splitlines()]
    assert rows[0] == ["schedule", "queue", "when", "next", "made", "skipped", "errors"]
    assert rows[1][:2] == ["a", "q"]
    assert rows[2][:4] == ["b", "r", "@daily", "paused"]
    assert result.stderr == "2 schedules in all\n"

    first = read(call("list", "--limit", "1", "--json"))
    rest = read(call("list", "--limit", "1", "--cursor", first["cursor"], "--json"))
    assert [first["schedules"][0]["id"], rest["schedules"][0]["id"]] == ["a", "b"]
    assert first["total"] == 2
    assert [each["id"] for each in read(call("list", "--queue", "r", "--json"))["schedules"]] == ["b"]


def test_show_tells_everything_but_secrets(table: Timetable, call: Call) -> None:
    table.service.add_repeating_job("q", "work", {"password": "s3cret", "n": 1}, every=NEVER, id="s")
    tick = table.come_due("s")
    table.ticker().page()
    table.service.pause_schedule("s", "moving house\x1b[31m", "ada")
    said = ok(call("show", "s"))
    wanted = ("schedule     s", "actor        work", f"last job     s:{tick}", "made         1", "by ada: moving house")
    for part in wanted:
        assert part in said, said
    assert "\x1b" not in said
    assert "s3cret" not in said + ok(call("show", "s", "--json")) + ok(call("list", "--json"))


def test_pause_resume_run_and_delete(table: Timetable, call: Call) -> None:
    table.service.add_repeating_job("q", "work", every=NEVER, id="s")
    assert ok(call("pause", "s", "--reason", "why")) == "s is paused\n"
    assert read(call("pause", "s", "--json")) == {"changed": False}
    assert table.service.get_schedule("s").paused_by == "ada"
    assert ok(call("resume", "s")) == "s is resumed\n"
    assert ok(call("resume", "s")) == "s was not paused\n"
    job = read(call("run", "s", "--json"))["job"]
    assert table.jobs() == [job]
    assert ok(call("delete", "s")) == "1 schedule deleted\n"
    assert table.service.get_schedules().total == 0


def test_preview_shows_the_next_ticks_in_their_zone(table: Timetable, call: Call) -> None:
    lines = ok(call("preview", "--cron", "0 9 1 1 *", "--timezone", "Asia/Tokyo", "--count", "2")).splitlines()
    assert len(lines) == 2
    assert all("-01-01 09:00:00+09:00 JST" in line for line in lines)
    table.service.add_repeating_job("q", "work", every=60, id="s", limit=3)
    assert len(read(call("preview", "s", "--json"))) == 3
