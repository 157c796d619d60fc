"""Interrupts that an actor holds back: none surfaces within, none is lost."""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest
from dramatiq.middleware import TimeLimitExceeded

from callboard.catalogue import default_queues
from callboard.codec import encode_payload
from callboard.current import CurrentJob, Speaker, current_job
from callboard.errors import JobCancelled, LeaseLost
from callboard.ids import pack_id
from callboard.worker.interrupter import Interrupter, guard
from callboard.worker.job import Job
from tests.support.wait import wait_until

SPEC = default_queues()["email-notifications"]


def a_job() -> Job:
    head = struct.pack(">cHQB", b"a", SPEC.priority, 0, 0)
    job = Job(SPEC, pack_id("held").encode(), encode_payload("send", (), {}, {}, 0), head, 1, 0)
    job.started, job.time_limit_ms = time.monotonic(), 60_000
    return job


@pytest.fixture
def interrupter() -> Iterator[Interrupter]:
    interrupter = Interrupter()
    interrupter.start()
    yield interrupter
    interrupter.stop()


def run(interrupter: Interrupter, job: Job, actor: object) -> None:
    guard(actor, interrupter, lambda: job, cast("Speaker", None))()  # type: ignore[arg-type]


def test_what_came_due_is_raised_at_the_end_and_only_the_first(interrupter: Interrupter) -> None:
    job, seen = a_job(), []

    def actor() -> None:
        with current_job().uninterrupted():
            with current_job().uninterrupted():
                interrupter.cancel(job)
                interrupter.lease_lost(job)
            seen.append("still within")
        seen.append("never")

    with pytest.raises(JobCancelled):
        run(interrupter, job, actor)
    assert seen == ["still within"]


def test_a_time_limit_waits_for_the_end(interrupter: Interrupter) -> None:
    job = a_job()
    job.time_limit_ms, seen = 1, []

    def actor() -> None:
        with current_job().uninterrupted():
            wait_until(lambda: job.due is not None, 5, "the time limit to be noted")
            seen.append("finished")

    with pytest.raises(TimeLimitExceeded):
        run(interrupter, job, actor)
    assert seen == ["finished"]


def test_an_error_of_the_block_is_told_with_the_interrupt(interrupter: Interrupter) -> None:
    job = a_job()

    def actor() -> None:
        with current_job().uninterrupted():
            interrupter.lease_lost(job)
            raise ValueError("no answer")

    with pytest.raises(LeaseLost) as raised:
        run(interrupter, job, actor)
    assert str(raised.value.__context__) == "no answer"


def test_the_block_of_a_coroutine_interrupts_the_thread_of_its_attempt(interrupter: Interrupter) -> None:
    job, ended = a_job(), threading.Event()

    def coroutine(current: CurrentJob) -> None:
        with current.uninterrupted():
            interrupter.cancel(job)
        ended.set()

    def actor() -> None:
        threading.Thread(target=coroutine, args=(current_job(),)).start()
        wait_until(lambda: False, 10)

    with pytest.raises(JobCancelled):
        run(interrupter, job, actor)
    assert ended.wait(5), "it was raised into the coroutine"


def test_without_an_interrupter_it_is_an_ordinary_block() -> None:
    with CurrentJob(a_job(), cast("Speaker", None)).uninterrupted() as nothing:
        assert nothing is None


@pytest.mark.long
def test_interrupts_at_any_moment_surface_once_and_never_within(interrupter: Interrupter) -> None:
    """Thousands of blocks a second, and a cancel at any moment of one: at its beginning, within, and at its end."""
    attempts = 400
    within = surfaced = 0
    begun: list[Job] = []

    def actor() -> None:
        nonlocal within
        begun.append(current)
        while True:
            inside = False
            try:
                with current_job().uninterrupted():
                    inside = True
                    sum(range(20))
                    inside = False
            except JobCancelled:
                within += inside
                raise

    def worker() -> None:
        nonlocal current, surfaced
        for _ in range(attempts):
            current = a_job()
            try:
                run(interrupter, current, actor)
            except JobCancelled:
                surfaced += 1
            assert current.held_back == 0, "a block was not left"

    current = a_job()
    thread = threading.Thread(target=worker, daemon=True)
    thread.start()
    for n in range(1, attempts + 1):
        wait_until(lambda n=n: len(begun) == n, 10, f"attempt {n}; {surfaced} interrupts surfaced")
        until = time.perf_counter() + random.uniform(0, 0.0005)
        while time.perf_counter() < until:
            pass
        interrupter.cancel(begun[-1])
    thread.join(10)
    assert not thread.is_alive()
    assert (surfaced, within) == (attempts, 0)
