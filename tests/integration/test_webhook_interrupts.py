"""Cancels of deliveries that are being sent: whatever they meet, the process goes on delivering."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator

import pytest

from actors.webhooks.publishing import ACTOR, QUEUE
from callboard.service import JobSpec
from demo.webhook_receiver import WebhookReceiver
from tests.integration.conftest import AppMaker
from tests.support.redis_server import Server
from tests.support.wait import wait_until
from tests.support.webhooks import QUEUES, Webhooks


@pytest.fixture
def store_url(valkey_server: Server) -> str:
    """One kind of server: nothing here depends on it."""
    return valkey_server.url


@pytest.fixture
def hooks(make_app: AppMaker) -> Iterator[Webhooks]:
    hooks = Webhooks(make_app(queues=QUEUES, attempt_log=False))
    yield hooks
    hooks.close()


@pytest.fixture
def sharp() -> Iterator[None]:
    """Threads take turns far more often, so that interrupts come at every moment of an attempt."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("sharp")
def test_no_cancel_leaves_the_connections_locked(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    """The pool's lock is taken some ten times a delivery; one that is not given back holds up every thread. A new
    connection each time has the name looked up in a thread of its own, whose start must not be left half-way either."""
    receiver.answer(200, {"Connection": "close"})
    endpoint = hooks.endpoint(receiver)
    interrupter = hooks.app.broker.runtime.interrupter
    payload = {"endpoint": endpoint.id, "event": "post.published", "data": {}}
    hooks.service.add_jobs(QUEUE, [JobSpec(ACTOR, payload) for _ in range(3_000)])
    cancelled, until = 0, time.monotonic() + 4
    while time.monotonic() < until:
        for job in list(interrupter._armed.values()):
            interrupter.cancel(job)
            cancelled += 1
        until_next = time.perf_counter() + random.uniform(0, 0.002)
        while time.perf_counter() < until_next:
            pass
    assert cancelled > 100, f"{cancelled} cancels are no test"
    hooks.service.pause_queue(QUEUE)
    wait_until(lambda: not hooks.service.get_queue_stats(QUEUE).active, 10, "every thread to end its delivery")
    hooks.service.resume_queue(QUEUE)
    assert hooks.ended(hooks.add(endpoint, priority=1)).state == "completed"


def test_a_cancelled_delivery_is_not_broken_off(make_app: AppMaker, receiver: WebhookReceiver) -> None:
    hooks = Webhooks(make_app(queues=QUEUES), timeout_s=2.5)
    receiver.play("drip")
    job_id = hooks.add(hooks.endpoint(receiver))
    wait_until(lambda: receiver.connections, 10, "the request")
    hooks.service.cancel_job(QUEUE, job_id)
    view = hooks.ended(job_id)
    hooks.close()
    assert view.state == "cancelled"
    took_ms = view.attempts[-1].ended_ms - view.attempts[-1].started_ms
    assert took_ms >= 2_450, f"it should have ended at its timeout of 2.5 s, and not after {took_ms} ms"
