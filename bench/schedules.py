"""What ticking costs and how late it is: one worker process of eight threads that runs no job of it (the queue is
paused), 10,000 schedules, of which a quarter tick every ten seconds, a quarter every thirty, the rest each minute: half
of these by a cron line in a zone with daylight saving, all at the full minute, half spread over the minute. That is
about 400 ticks a second on average, and 5,000 in the first second of each minute. CPU time is that of the whole worker
process, less what it used before there were schedules; lateness is from the tick to the add, both by Redis' clock."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from bench.context import Context
from bench.processes import Workers, workers
from bench.rows import BenchError, Outcome, at_most, below, info
from bench.systems import QUEUE
from callboard.errors import StoreUnavailable
from callboard.records import unpack_head
from callboard.schedules.definition import Definition, define
from callboard.schedules.state import API
from callboard.schedules.times import Times
from callboard.service import QueueService
from callboard.settings import Settings
from callboard.store.store import Store
from callboard.verbs import schedules

SCHEDULES = 10_000

#: Seconds until a worker has started, and seconds at rest before and after schedules are made.
_START_S, _SETTLE_S = 15.0, 2.0

#: Schedules made in one round trip.
_AT_ONCE = 200


def measure(context: Context) -> Outcome:
    """One worker process that ticks."""
    context.server.fresh()
    system = context.callboard(processes=1).with_env(CALLBOARD_SCHEDULES="true")
    settings = Settings(
        redis_url=context.server.url,
        queues=json.loads(system.env["CALLBOARD_QUEUES"]),
    )
    service = QueueService(settings)
    with workers(system.workers, system.env) as running:
        _wait_for_worker(service)
        service.pause_queue(QUEUE, "only ticks are measured")
        at_rest = _share(running, 2 * _SETTLE_S)
        _make(service.store)
        time.sleep(_SETTLE_S)
        begin_ms = schedules.now_ms(service.store)
        ticking = _share(running, context.plan.schedule_seconds)
        end_ms = schedules.now_ms(service.store)
        running.check()
        late = sorted(_lateness(service.store, begin_ms, end_ms))
    service.close()
    if not late:
        raise BenchError("no schedule has ticked")
    share, p50, p99 = ticking - at_rest, late[len(late) // 2], late[int(len(late) * 0.99)]
    seconds = (end_ms - begin_ms) / 1000
    note = f"{len(late):,} ticks in {seconds:.0f} s; at rest {100 * at_rest:.1f} %"
    context.say(f"schedules: {100 * share:.1f} % of a core, p99 {p99} ms, {note}")
    return Outcome(
        [
            below("10,000 schedules: share of a core", 100 * share, "% of a core", 5.0, note),
            at_most("schedule lateness p99", p99 / 1000, "s", 1.0, f"p50 {p50} ms, worst {late[-1]} ms"),
            info("schedule ticks", len(late) / seconds, "ticks/s", note),
        ]
    )


def _share(running: Workers, seconds: float) -> float:
    """The share of a core that the workers use in so many seconds."""
    cpu, start = running.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    return (running.cpu_seconds() - cpu) / (time.monotonic() - start)


def _definitions() -> Iterator[Definition]:
    payload = {"text": "x" * 40}
    for number in range(SCHEDULES):
        schedule_id = f"s{number:05}"
        match number % 4:
            case 0:
                yield define(QUEUE, f"noop.{QUEUE}", payload, id=schedule_id, every=10)
            case 1:
                start = datetime.fromtimestamp(number % 30, UTC)
                yield define(QUEUE, f"noop.{QUEUE}", payload, id=schedule_id, every=30, start=start)
            case 2:
                yield define(
                    QUEUE, f"noop.{QUEUE}", payload, id=schedule_id, cron="* * * * *", timezone="Europe/Berlin"
                )
            case _:
                start = datetime.fromtimestamp(number % 60, UTC)
                yield define(QUEUE, f"noop.{QUEUE}", payload, id=schedule_id, every=60, start=start)


def _make(store: Store) -> None:
    """Make all schedules, as ``add_repeating_job`` does it one by one."""
    calls = []
    now = schedules.now_ms(store)
    for definition in _definitions():
        first = Times(definition).after(now // 1000 + 5)
        calls.append(schedules.put_call(definition, API, first or 0))
    for begin in range(0, len(calls), _AT_ONCE):
        for reply in store.pipeline(calls[begin : begin + _AT_ONCE]):
            if isinstance(reply, Exception):
                raise BenchError(f"a schedule was not made: {reply}")


def _lateness(store: Store, begin_ms: int, end_ms: int) -> Iterator[int]:
    """How late each job of a tick within the window was added (ms)."""
    cursor = b"0"
    while True:
        cursor, flat = store.execute("HSCAN", store.key(QUEUE, "record"), cursor, "COUNT", 2_000)
        for i in range(0, len(flat), 2):
            tick_ms = int(flat[i].rpartition(b":")[2]) * 1000
            if begin_ms <= tick_ms <= end_ms - 1_000:
                yield unpack_head(flat[i + 1])[1] - tick_ms
        if int(cursor) == 0:
            return


def _wait_for_worker(service: QueueService) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            if service.get_workers():
                return
        except StoreUnavailable:
            pass
        if time.monotonic() > deadline:
            raise BenchError("the worker did not register")
        time.sleep(0.05)
