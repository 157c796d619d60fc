"""Time limits that fire at the last moment: hooks run once an attempt, and no thread is lost."""

from __future__ import annotations

import ctypes
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator

import dramatiq
import pytest

from callboard import CallboardBroker
from callboard.errors import StoreUnavailable
from callboard.worker import interrupter
from middleware.stack import default_stack
from tests.support.deployment import Deployment
from tests.support.wait import wait_until

LIMIT_MS = 4


class Hooks(dramatiq.Middleware):
    """Counts the hooks of each attempt, and works a little in the one where a late interrupt would surface."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()

    def before_process_message(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        self.calls[message.message_id, "before"] += 1

    def after_process_message(
        self, broker: dramatiq.Broker, message: dramatiq.MessageProxy, *, result: object = None,
        exception: BaseException | None = None,
    ) -> None:  # fmt: skip
        self.calls[message.message_id, "after"] += 1
        _busy(0.0005)

    def after_ack(self, broker: dramatiq.Broker, message: dramatiq.MessageProxy) -> None:
        self.calls[message.message_id, "end"] += 1

    after_nack = after_ack


def _busy(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


@pytest.fixture
def sharp(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Deadlines are looked at all the time, and threads take turns far more often: every bytecode is met."""
    monkeypatch.setattr(interrupter, "INTERVAL_S", 0.0002)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("sharp")
@pytest.mark.parametrize("attempts", [2_000, pytest.param(40_000, marks=[pytest.mark.long, pytest.mark.timeout(900)])])
def test_a_time_limit_at_the_last_moment(
    deployment: Deployment, rng: random.Random, caplog: pytest.LogCaptureFixture, attempts: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    surfaced: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: surfaced.append(args.exc_value))
    settings, hooks = deployment.settings(), Hooks()
    broker = CallboardBroker(settings, middleware=[*default_stack(settings), hooks])

    @dramatiq.actor(broker=broker, queue_name="work", time_limit=LIMIT_MS, max_attempts=1)
    def close_call(ms: float) -> None:
        _busy(ms / 1000)

    messages = [close_call.message(LIMIT_MS * rng.uniform(0.2, 0.9)) for _ in range(attempts)]
    for message in messages:
        broker.enqueue(message)
    worker = dramatiq.Worker(broker, worker_threads=3, worker_timeout=50)
    worker.start()
    wait_until(lambda: deployment.pending() == 0, 600, lambda: f"drained: {deployment.totals()}")
    threads = [thread.is_alive() for thread in worker.workers]
    worker.stop(), broker.close()

    totals, states = deployment.totals(), deployment.states()
    print(f"{totals.get('completed', 0)} came through, {totals.get('failed', 0)} were interrupted")
    assert totals.get("completed", 0) > 0, "no attempt came through: the limit is no close call"
    assert totals.get("failed", 0) > 0, "no attempt was interrupted: the limit is no close call"
    assert len(states["completed"]) + len(states["failed"]) == attempts
    assert totals.get("stale_finishes", 0) == 0
    wrong = {key: n for key, n in hooks.calls.items() if n != 1}
    assert not wrong, f"hooks run once an attempt, but: {list(wrong.items())[:5]}"
    assert len(hooks.calls) == 3 * attempts, "a hook was left out"
    assert all(threads), "a worker thread was lost"
    assert not surfaced, f"interrupts that surfaced outside: {surfaced}"
    unexpected = [record.getMessage() for record in caplog.records if "Unexpected failure" in record.getMessage()]
    assert not unexpected, unexpected[:3]


def test_a_producer_interrupted_between_call_and_reply_keeps_its_replies_apart(deployment: Deployment) -> None:
    deployment.publish("work")
    service = deployment.service()
    for n in range(3):
        service.add_job("work", "work", id=f"job-{n}")
    connection = service.store._connection()  # type: ignore[attr-defined]
    send = connection.send_packed_command

    def interrupted(*args: object, **kwargs: object) -> None:
        send(*args, **kwargs)
        connection.send_packed_command = send
        raise KeyboardInterrupt

    connection.send_packed_command = interrupted
    with pytest.raises(KeyboardInterrupt):
        service.get_job("work", "job-0")
    assert service.get_job("work", "job-1").id == "job-1", "this is the reply of the interrupted call"
    assert service.get_queue_stats("work").waiting == 3
    service.close()


def test_a_producer_interrupted_anywhere_keeps_its_replies_apart(deployment: Deployment, rng: random.Random) -> None:
    """A thread that asks for one job after another is interrupted hundreds of times; each answer is to its question."""
    deployment.publish("work")
    service = deployment.service()
    ids = [f"job-{n}" for n in range(20)]
    for job in ids:
        service.add_job("work", "work", id=job)
    wrong: list[str] = []
    hits, asked, done = 0, 0, threading.Event()

    class Stop(BaseException):
        """What is raised into the producer."""

    def ask() -> None:
        nonlocal hits, asked
        while not done.is_set():
            try:
                while not done.is_set():
                    wanted = ids[asked % len(ids)]
                    asked += 1
                    got = service.get_job("work", wanted).id
                    if got != wanted:
                        wrong.append(f"asked for {wanted}, got {got}")
            except Stop:
                hits += 1
            except StoreUnavailable:
                pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    for _ in range(400):
        before = asked
        wait_until(lambda before=before: asked > before, 10, "another question")
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Stop))
    done.set()
    thread.join(10)
    service.close()
    assert hits > 100, f"{hits} interrupts surfaced"
    assert not wrong, wrong[:5]
