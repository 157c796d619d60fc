"""Recycling's parts; tests/faults/test_recycling.py has the whole on real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from callboard.settings import Settings
from middleware import recycling
from middleware.recycling import Recycling, resident_mib
from tests.support.wait import wait_until


@pytest.fixture
def terms() -> Iterator[list[int]]:
    """SIGTERMs that reached the handler which was there first, Dramatiq's in a worker process."""
    seen: list[int] = []

    def handler(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGTERM, handler)
    yield seen
    signal.signal(signal.SIGTERM, before)


def send_term(times: int) -> None:
    """And wait until it has come: Python runs handlers between two steps of the main thread."""
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("asked", "heard"), [(True, 1), (False, 2)])
def test_a_second_sigterm_is_no_impatience_once_the_process_has_asked_for_its_end(
    terms: list[int], asked: bool, heard: int
) -> None:
    each = Recycling(10, None)
    each._expect_terms()
    each._asked = asked
    send_term(2)
    wait_until(lambda: each._terms == 2, 5, "both signals")
    assert len(terms) == heard, "Dramatiq ends its process at once at the second, and what runs is lost"


def test_the_resident_size_is_what_is_resident_now_and_not_the_peak() -> None:
    before = resident_mib()
    hoard = b"x" * (200 << 20)
    assert resident_mib() - before >= 190
    del hoard
    assert resident_mib() - before <= 100


def test_nothing_is_installed_that_was_not_asked_for() -> None:
    assert recycling.recycling(Settings()) is None
    memory = recycling.recycling(Settings(max_memory_mb=500))
    assert memory is not None
    assert not {"after_ack", "after_nack"} & set(vars(memory)), "a hook of every job that nobody needs"
    jobs = recycling.recycling(Settings(max_jobs=500))
    assert jobs is not None
    assert {"after_ack", "after_nack"} <= set(vars(jobs))


@pytest.mark.parametrize("name", ["max_jobs", "max_memory_mb"])
def test_a_limit_is_at_least_one(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Settings(**{name: 0})
