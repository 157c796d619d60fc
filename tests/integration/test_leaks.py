"""Nothing is left of jobs that are gone: no key, no field."""

from __future__ import annotations

import random
from collections.abc import Callable

from callboard.keys import QUEUE_KEYS
from callboard.packing import pack, unpack
from tests.support.engine import Engine

HOUR = 3_600_000

#: What stays of a queue for good. Each is bounded by itself: counters, a capped stream, fields by name.
LASTING = {"meta", "totals", "events", "sources"}
#: What goes by itself within a day: answers of calls, minute buckets; and the mark, which the next worker takes.
PASSING = {"calls", "history", "wake"}


def test_a_drained_queue_holds_nothing_but_counters(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(keep_completed=5, keep_failed=5, keep_completed_ms=HOUR, keep_failed_ms=HOUR, max_stalls=1)
    chance = random.Random(7)
    for batch in range(10):
        ids = [f"{batch}-{i}" for i in range(20)]
        engine.add(*ids, priority=chance.choice([1, 5, 9]), workspace=chance.choice(["", "acme", "bolt"]),
                   delay=chance.choice([0, HOUR]))  # fmt: skip
    workers = [engine.worker() for _ in range(3)]
    for _ in range(400):
        worker = chance.choice(workers)
        for job_id in worker.fetch(chance.randint(0, 3), chance.randint(0, 2)):
            outcome = chance.choice("ccrdfxb-")
            if outcome != "-":  # lost with its worker
                worker.finish(job_id, outcome, delay=chance.choice([0, HOUR]), reason="r", error=("E", "m", "t"),
                              result=b"1", **chance.choice([{}, {"result_ttl": HOUR}]),
                              outbox=[("other", "m", b"", 5, "", 0)])  # fmt: skip
        if chance.random() < 0.2:
            engine.warp(engine.spec.lease_ms + 1)
            engine.sweep()
    finish_all(engine)
    snapshot = engine.snapshot()
    snapshot.check()
    assert snapshot.totals["added"] == 200
    numbers = [unpack(row)[0] for row in snapshot.members("outbox")]
    engine.store.call("outbox_end", "q", (pack(numbers), pack([]), 100))

    for _ in range(5):
        engine.warp(2 * HOUR)
        engine.sweep()

    left = {name for name in QUEUE_KEYS if engine.snapshot().keys[name]}
    assert left <= LASTING | PASSING, f"left behind: {left - LASTING - PASSING}"
    assert engine.snapshot().hash("meta").keys() <= {"swept", "tidied", "outbox_number", "lone", "lone_until", "format"}


def finish_all(engine: Engine) -> None:
    """Let time go by and complete what comes until nothing is left to do."""
    worker = engine.worker()
    while sum(engine.snapshot().counts()[state] for state in ("waiting", "delayed", "active")):
        engine.warp(2 * HOUR)
        engine.sweep()
        for job_id in worker.fetch(50):
            worker.finish(job_id)


def test_the_event_stream_is_capped(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine()
    capped = engine.store.settings.events_max
    for i in range(capped // 2):
        engine.add(f"a{i}")
        engine.worker().fetch()
    for i in range(capped // 2):
        engine.add(f"b{i}")
    # Redis trims whole nodes of 100 entries.
    assert len(engine.snapshot().events) <= capped + 200


def test_every_key_in_redis_is_one_of_the_declared(engine: Engine) -> None:
    engine.add("a", "b", workspace="acme")
    worker = engine.worker()
    worker.fetch(2)
    worker.finish("a", "c", result=b"1", result_ttl=HOUR, outbox=[("o", "m", b"", 5, "", 0)])
    worker.finish("b", "r", delay=HOUR, error=("E", "m", "t"))
    declared = {engine.key(name) for name in QUEUE_KEYS}
    prefix = engine.store.settings.prefix
    found: set[str] = set()
    cursor: bytes | int = 0
    script = "return redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000)"
    while True:
        cursor, page = engine.store.execute("EVAL", script, 1, engine.key("meta"), cursor, f"{prefix}:*")
        found |= {key.decode() for key in page}
        if int(cursor) == 0:
            break
    assert found
    assert found <= declared
