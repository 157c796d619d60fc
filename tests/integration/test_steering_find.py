"""find over thousands of jobs: every job once, in pages, with bounded work a call."""

from __future__ import annotations

import pytest

from callboard.verbs import bulk
from callboard.verbs.bulk import JobFilter
from tests.support.engine import Engine
from tests.support.steering import HOUR, Desk, payload

COUNT = 5_000


@pytest.fixture
def desk(engine: Engine) -> Desk:
    """5,000 jobs that are due at the same millisecond; every hundredth is of actor ``rare``."""
    due = engine.now() + HOUR
    for kind, ids in (("rare", range(0, COUNT, 100)), ("work", [i for i in range(COUNT) if i % 100])):
        names = [f"j{i:05d}" for i in ids]
        for first in range(0, len(names), 250):
            engine.add(*names[first : first + 250], due=due, payload=payload(kind))
    return Desk(engine)


def pages(desk: Desk, only: JobFilter, *, limit: int = 200, budget: int = 20_000) -> list[bulk.Found]:
    found: list[bulk.Found] = []
    cursor = None
    while not found or cursor:
        found.append(bulk.find(desk.service.store, "q", only, limit=limit, cursor=cursor, budget=budget))
        cursor = found[-1].cursor
    return found


def test_every_job_is_found_once_in_order(desk: Desk) -> None:
    for page_of in (200, 77):
        found = [job.id for page in pages(desk, JobFilter(), limit=page_of) for job in page.jobs]
        assert found == sorted(found)
        assert len(found) == len(set(found)) == COUNT


def test_pages_are_full_and_the_last_says_so(desk: Desk) -> None:
    found = pages(desk, JobFilter(actor="rare"), limit=20)
    assert [len(page.jobs) for page in found] == [20, 20, 10]
    assert found[-1].cursor is None
    assert sum(page.looked_at for page in found) == COUNT


def test_a_search_stops_at_its_budget_and_goes_on(desk: Desk) -> None:
    found = pages(desk, JobFilter(text="nowhere"), budget=1_000)
    assert [page.looked_at for page in found] == [1_000] * 5 + ([0] if len(found) == 6 else [])
    assert not any(page.jobs for page in found)


def test_a_search_survives_what_comes_and_goes_meanwhile(desk: Desk) -> None:
    """Each job that is there all the time is found once."""
    first = desk.service.find_jobs("q", JobFilter(), states=["delayed"], limit=200)
    gone = [job.id for job in first.jobs[::2]] + ["j01000", first.jobs[-1].id]
    for job_id in set(gone):
        desk.service.remove_job("q", job_id)
    desk.engine.add(*(f"a{i}" for i in range(50)), due=desk.engine.now() + HOUR // 2, payload=payload())
    found = [job.id for job in first.jobs]
    cursor = first.cursor
    while cursor:
        page = desk.service.find_jobs("q", JobFilter(), states=["delayed"], limit=200, cursor=cursor)
        found += [job.id for job in page.jobs]
        cursor = page.cursor
    expected = {f"j{i:05d}" for i in range(COUNT)} - {"j01000"}
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_states_are_searched_in_the_order_asked(desk: Desk) -> None:
    desk.put("waiting", "w", payload=payload("rare"))
    desk.put("held", "h", payload=payload("rare"))
    for states, head in ((["waiting", "delayed"], ["w", "h", "j00000"]), (["delayed", "waiting"], ["j00000"])):
        page = desk.service.find_jobs("q", JobFilter(actor="rare"), states=states, limit=len(head))
        assert [job.id for job in page.jobs] == head
