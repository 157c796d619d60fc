"""Schedules that actors declare, in workers of their own and beside the command ``periodiq``."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dramatiq
import pytest

from callboard import QueueService
from callboard.errors import InvalidSchedule, QueueFull
from callboard.schedules.declared import declare
from callboard.schedules.definition import define
from callboard.schedules.ticker import LOCK
from callboard.verbs import locks, schedules
from tests.conftest import SettingsMaker
from tests.integration.conftest import AppMaker
from tests.support.app import App
from tests.support.process import Running
from tests.support.schedules import KEEPS_ALL, NEVER, Timetable
from tests.support.wait import wait_until

MakeWorker = Callable[..., tuple[App, QueueService]]


@pytest.fixture
def make_worker(make_app: AppMaker) -> MakeWorker:
    """Starts a worker whose actor ``work``, on queue ``one``, declares ``periodic``."""

    def make(periodic: Any, **changes: Any) -> tuple[App, QueueService]:
        app = make_app(schedules=True, **changes)
        app.actor(lambda: None, actor_name="work", periodic=periodic)
        app.start()
        return app, QueueService(app.settings, store=app.broker.store)

    return make


def known(service: QueueService) -> list[str]:
    return [each.id for each in service.get_schedules().schedules]


def test_a_worker_makes_known_what_its_actors_declare_and_ticks_it(make_worker: MakeWorker) -> None:
    _, service = make_worker({"every": 1})
    wait_until(lambda: known(service) == ["work"], 10, "the schedule")
    schedule = wait_until(lambda: (s := service.get_schedule("work")).made >= 3 and s, 10, "three ticks")
    assert (schedule.origin, schedule.queue, schedule.actor) == ("declared", "one", "work")
    service.pause_schedule("work")
    wait_until(lambda: service.get_queue_stats("one").completed == service.get_schedule("work").made, 10, "its jobs")
    ids = sorted(int(job.id.partition(":")[2]) for job in service.get_completed_jobs("one", 200).jobs)
    assert ids == list(range(ids[0], ids[0] + len(ids))), "a tick each second, and none twice"


def test_ticks_come_within_a_second(make_worker: MakeWorker) -> None:
    _, service = make_worker({"every": 1})
    wait_until(lambda: service.get_queue_stats("one").completed >= 5, 20, "five jobs")
    for job in service.get_completed_jobs("one", 200).jobs:
        late = job.added_ms - int(job.id.partition(":")[2]) * 1000
        assert 0 <= late < 1_000, f"{late} ms"


def test_two_workers_tick_every_second_once_and_one_goes_on_when_the_other_ends(make_worker: MakeWorker) -> None:
    first, service = make_worker({"every": 1})
    wait_until(lambda: known(service) == ["work"], 10, "the schedule")
    make_worker({"every": 1})
    wait_until(lambda: service.get_schedule("work").made >= 2, 10, "ticks")
    before = service.get_schedule("work").made
    first.stop_worker()
    wait_until(lambda: service.get_schedule("work").made >= before + 3, 20, "ticks by the other")
    service.pause_schedule("work")
    made = service.get_schedule("work")
    wait_until(lambda: service.get_queue_stats("one").completed == made.made, 10, "its jobs")
    ids = sorted(int(job.id.partition(":")[2]) for job in service.get_completed_jobs("one", 200).jobs)
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_a_worker_without_schedules_neither_declares_nor_ticks(make_app: AppMaker) -> None:
    app = make_app(schedules=False)
    app.actor(lambda: None, actor_name="work", periodic={"every": 1})
    app.start()
    service = QueueService(app.settings, store=app.broker.store)
    wait_until(service.get_workers, 10, "the worker")
    assert known(service) == []
    assert not app.broker.runtime._ticker._thread.is_alive()


def test_the_lock_is_given_back_by_a_worker_that_ends(make_worker: MakeWorker) -> None:
    app, service = make_worker({"every": NEVER})
    wait_until(lambda: known(service) == ["work"], 10, "the schedule")
    wait_until(lambda: not locks.take(service.store, LOCK, "somebody", 10).taken, 10, "the worker to tick")
    app.stop_worker()
    assert locks.take(service.store, LOCK, "somebody", 1_000).taken


# What is declared again


@pytest.fixture
def table(make_settings: SettingsMaker) -> Any:
    table = Timetable(make_settings(queues={"q": KEEPS_ALL, "r": {"max_length": 1}}, only_queues=True))
    yield table
    table.close()


def declared(table: Timetable, **given: Any) -> None:
    declare(table.store, [define("q", "work", id="work", **{"every": NEVER, **given})])


def test_declaring_it_again_changes_nothing(table: Timetable) -> None:
    declared(table)
    table.service.pause_schedule("work", "not now")
    before = table.entry("work")
    declared(table)
    assert table.entry("work") == before


def test_another_declaration_takes_effect_and_keeps_the_pause(table: Timetable) -> None:
    declared(table)
    table.come_due("work")
    table.ticker().page()
    table.service.pause_schedule("work", "not now")
    declared(table, every=NEVER - 1)
    schedule = table.service.get_schedule("work")
    assert (schedule.definition.every_s, schedule.paused, schedule.made) == (NEVER - 1, True, 1)


def test_what_an_actor_declares_is_not_changed_by_a_caller_and_the_other_way_round(
    table: Timetable, caplog: pytest.LogCaptureFixture
) -> None:
    declared(table)
    with pytest.raises(InvalidSchedule, match="declared by its actor"):
        table.service.add_repeating_job("q", "work", every=60, id="work")
    assert table.service.get_schedule("work").definition.every_s == NEVER
    table.service.delete_schedule("work")
    table.service.add_repeating_job("q", "work", every=60, id="work")
    declared(table)
    assert table.service.get_schedule("work").definition.every_s == 60
    assert "was added by a caller" in caplog.text


def test_one_whose_end_has_passed_is_known_as_ended(table: Timetable) -> None:
    declared(table, end=datetime(2020, 1, 1, tzinfo=UTC))
    schedule = table.service.get_schedule("work")
    assert (schedule.ended, schedule.next_ms) == ("end", 0)


# periodiq beside


class Beside:
    """A broker with an actor ``work`` on queue ``q``, each second, and messages as ``periodiq`` sends them."""

    def __init__(self, app: App, table: Timetable, queue: str = "q", **declared: Any) -> None:
        self.actor = app.actor(lambda: None, actor_name="work", queue_name=queue, periodic={"every": 60, **declared})
        self.table = table

    def send(self, second: int) -> dramatiq.Message[Any]:
        """What periodiq sends for the tick at ``second``."""
        message: dramatiq.Message[Any] = self.actor.send_with_options(
            scheduled_at=str(datetime.fromtimestamp(second, UTC))
        )
        return message


@pytest.fixture
def beside(make_app: AppMaker, table: Timetable) -> Beside:
    return Beside(make_app(queues=table.settings.queues), table, every=1)


def test_what_periodiq_sends_is_added_once_with_what_a_ticker_ticks(beside: Beside) -> None:
    table = beside.table
    declared(table, every=1)
    tick = table.come_due("work")
    assert beside.send(tick).message_id == f"work:{tick}"
    assert "scheduled_at" not in table.service.get_job("q", f"work:{tick}").options
    table.ticker().page()
    beside.send(tick)
    assert table.jobs().count(f"work:{tick}") == 1
    schedule = table.service.get_schedule("work")
    assert schedule.made == len(table.jobs()), "the ticker counts it"


def test_what_a_ticker_has_ticked_is_not_added_again_by_periodiq(beside: Beside) -> None:
    table = beside.table
    declared(table, every=1)
    tick = table.come_due("work")
    table.ticker().page()
    jobs = table.jobs()
    assert f"work:{tick}" in jobs
    beside.send(tick)
    assert table.jobs() == jobs


@pytest.mark.parametrize("off", [-86_400, -61, 30, 86_400])
def test_a_clock_of_periodiqs_that_is_off_adds_nothing(beside: Beside, off: int) -> None:
    declared(beside.table, every=1)
    beside.send(beside.table.now_s() + off)
    assert beside.table.jobs() == []


def test_a_time_that_is_no_tick_adds_nothing(make_app: AppMaker, table: Timetable) -> None:
    beside = Beside(make_app(queues=table.settings.queues), table, every=NEVER)
    beside.send(table.now_s())
    assert table.jobs() == []


def test_a_paused_schedule_takes_nothing_from_periodiq(beside: Beside) -> None:
    declared(beside.table, every=1)
    beside.table.service.pause_schedule("work")
    beside.send(beside.table.now_s())
    assert beside.table.jobs() == []


def test_periodiq_is_told_of_a_full_queue(make_app: AppMaker, table: Timetable) -> None:
    beside = Beside(make_app(queues=table.settings.queues), table, queue="r", every=1)
    table.service.add_job("r", "rest")
    with pytest.raises(QueueFull):
        beside.send(table.now_s())


def test_without_any_worker_what_periodiq_sends_is_added(beside: Beside) -> None:
    tick = beside.table.now_s()
    beside.send(tick)
    assert beside.table.jobs() == [f"work:{tick}"]
    assert schedules.get(beside.table.store, "work")[1] is None


def minute_sent(output: str) -> int:
    """The first minute that ``periodiq`` says it sent (seconds); late in a minute it begins with the next one."""
    found = re.search(r"Scheduling Actor\(each_minute\) at (.+)\.", output)
    assert found, output
    return int(datetime.fromisoformat(found[1]).timestamp()) // 60 * 60


def test_the_real_command_adds_nothing_twice(table: Timetable, tmp_path: Path) -> None:
    """Two of them, started within the minute, and a ticker."""
    env = {
        "REDIS_URL": table.settings.url, "CALLBOARD_PREFIX": table.settings.prefix, "CALLBOARD_ONLY_QUEUES": "true",
        "CALLBOARD_QUEUES": json.dumps({"q": KEEPS_ALL}), "TZ": "UTC",
    }  # fmt: skip
    table.publish(each_minute="q", on_sundays="q")
    declare(table.store, [define("q", "each_minute", cron="* * * * *", id="each_minute")])
    command = [str(Path(sys.executable).with_name("periodiq")), "-v", "tests.support.periodic_app"]
    sent: list[int] = []
    for name in ("one", "two"):
        with Running(command, tmp_path / name, env) as running:
            running.wait_for("Nothing to do until")
            sent.append(minute_sent(running.output))
            assert "Error" not in running.output, running.output
    # The ticker comes to the same minute late.
    table.put_back("each_minute", next=sent[0])
    found_ms, _ = table.ticker().page()
    minutes = range(sent[0], found_ms // 1000 + 1, 60)
    assert table.jobs() == [f"each_minute:{minute}" for minute in minutes]
