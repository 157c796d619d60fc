"""What the exporter calls things: its table of metrics, and the names of worker processes."""

from __future__ import annotations

import dataclasses
import re

import pytest

from callboard.keys import QUEUE_KEYS
from callboard.naming import named_workers
from callboard.schedules.state import Entry
from callboard.store.scripts import load
from callboard.verbs.fleet import WorkerRecord
from callboard.verbs.measures import DeploymentMeasures
from middleware.metrics.exported import FAMILIES, Family, Sheet
from middleware.metrics.reading import put_schedules

NOW = 1_800_000_000_000
BEAT_MS = 500


def worker(
    host: str = "web", slot: int = 0, id: str = "a", *, started: int = 1, beat_ago_ms: int = 0, **fields: object
) -> WorkerRecord:
    record = WorkerRecord(id, host, 1, slot, ["q"], 8, 0, "1", started, beat_ms=NOW - beat_ago_ms)
    return dataclasses.replace(record, **fields)  # type: ignore[arg-type]


def names(*workers: WorkerRecord) -> dict[str, str]:
    """Id -> name of each process that is shown."""
    return {each.record.id: each.name for each in named_workers(workers, NOW, BEAT_MS)}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_and_labels_are_as_prometheus_wants_them(family: Family) -> None:
    assert re.fullmatch(r"callboard_[a-z_]+", family.name)
    assert not family.name.endswith(("_total", "_info", "_count", "_sum", "_bucket", "_created"))
    assert not {"job", "instance", "type", "le", "quantile"} & set(family.labels)
    assert family.help.endswith(".")


def test_no_metric_is_listed_twice() -> None:
    assert len({family.exposed for family in FAMILIES}) == len(FAMILIES)


def test_a_sheet_takes_no_metric_that_is_not_listed() -> None:
    with pytest.raises(KeyError):
        Sheet().put("callboard_queue_length", 1, "q")


def test_a_sheet_takes_no_sample_with_labels_of_another() -> None:
    with pytest.raises(ValueError, match="label"):
        Sheet().put("callboard_queue_jobs", 1, "q")


def test_a_process_is_called_by_its_place() -> None:
    assert names(worker(slot=3)) == {"a": "web-3"}


def test_a_second_process_in_a_place_is_told_apart() -> None:
    assert names(worker(id="c", started=3), worker(id="a", started=1), worker(id="b", started=2)) == {
        "a": "web-0", "b": "web-0-2", "c": "web-0-3",
    }  # fmt: skip


def test_names_are_unique_where_hosts_are_called_like_names() -> None:
    found = names(worker(id="a", started=1), worker(id="b", started=2), worker("web-0", 2, "c", started=3))
    assert sorted(found.values()) == ["web-0", "web-0-2", "web-0-2-2"]


def test_a_process_that_was_started_anew_has_the_name_of_the_one_before() -> None:
    assert names(worker(id="old", beat_ago_ms=60_000), worker(id="new", started=2)) == {"new": "web-0"}


def test_a_silent_process_keeps_its_name_as_long_as_nobody_else_has_it() -> None:
    (found,) = named_workers([worker(beat_ago_ms=60_000)], NOW, BEAT_MS)
    assert (found.name, found.alive) == ("web-0", False)


def test_of_several_silent_processes_in_a_place_the_last_one_is_told() -> None:
    assert names(worker(id="a", beat_ago_ms=300_000), worker(id="b", beat_ago_ms=60_000)) == {"b": "web-0"}


def test_the_memory_of_a_queue_is_that_of_all_its_keys() -> None:
    assert set(load("measures_memory").keys) == set(QUEUE_KEYS)


# The interval of a schedule


def entry(when: str, *, last_s: int = 0, next_s: int = 0, **fields: object) -> Entry:
    definition = f'{{"queue":"q","actor":"a","id":"s",{when}}}'.encode()
    made = Entry("s", 1, 1, "q", "declared", definition, next_s, last_s, "", 0, 0, 0, "", 0, 0, "", "", "", [])
    return dataclasses.replace(made, **fields)  # type: ignore[arg-type]


def shown(*declared: Entry, damaged: tuple[str, ...] = ()) -> tuple[dict[str, float], list[tuple[str, str]]]:
    """Samples of the schedules by the name of their metric; and what could not be told."""
    sheet = Sheet()
    problems = list(put_schedules(sheet, DeploymentMeasures(NOW, 0, [*declared], [*damaged], "noeviction"), {}))
    found = {sample.name: sample.value for metric in sheet.metrics() for sample in metric.samples}
    return found, problems


FRIDAY_9H, MONDAY_9H = 1_783_674_000, 1_783_933_200  # 10 and 13 July 2026, UTC

INTERVAL, LAST_RUN = "callboard_schedule_interval_seconds", "callboard_schedule_last_run_timestamp_seconds"


def test_the_interval_is_that_to_the_next_tick() -> None:
    found, problems = shown(entry('"cron":"0 9 * * 1-5"', last_s=FRIDAY_9H))
    assert (found[LAST_RUN], found[INTERVAL], problems) == (FRIDAY_9H, MONDAY_9H - FRIDAY_9H, [])


def test_a_schedule_that_never_ran_has_an_interval_and_no_last_run() -> None:
    found, _ = shown(entry('"every_s":60,"aligned":true', next_s=MONDAY_9H))
    assert INTERVAL in found
    assert LAST_RUN not in found


def test_a_tick_that_was_passed_over_is_not_expected_any_more() -> None:
    every_minute, passed = '"cron":"* * * * *"', FRIDAY_9H + 3_600
    found, _ = shown(entry(every_minute, last_s=FRIDAY_9H, next_s=passed))
    assert found[INTERVAL] == 3_600, "the canary of a paused queue is not overdue"
    found, _ = shown(entry(every_minute, last_s=FRIDAY_9H, next_s=passed, error="full", error_ms=passed * 1000))
    assert found[INTERVAL] == 60, "a schedule whose jobs cannot be added is"


@pytest.mark.parametrize("fields", [{"paused_ms": NOW}, {"ended": "limit"}])
def test_a_schedule_that_does_not_tick_has_no_interval(fields: dict[str, object]) -> None:
    found, _ = shown(entry('"cron":"* * * * *"', last_s=FRIDAY_9H, **fields))
    assert found[LAST_RUN] == FRIDAY_9H
    assert INTERVAL not in found, "nothing is expected of it"


def test_a_damaged_schedule_does_not_hide_the_others() -> None:
    found, problems = shown(entry('"cron":"* * * * *"', last_s=FRIDAY_9H), damaged=("x",))
    assert found[INTERVAL] == 60
    assert problems == [("schedules x", "damaged: delete them, the next worker declares them anew")]
