"""Which jobs a filter means: actor, workspace, tag, text in payload, reason or error, time of the add."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from callboard.verbs.bulk import JobFilter
from tests.support.engine import Engine
from tests.support.steering import Desk, payload

#: id -> (stored message, workspace)
JOBS = {
    "mail": (payload("send_email", tags=("news", "äö")), "acme"),
    "other": (payload("resize", a="send_email", tags="news", k={"a": "send_email"}), "bolt"),
    "brackets": (payload("resize", tags=("a]b", 'quo"ted', "tail")), "acme"),
    "text": (payload("resize", title="Grüße aus ÖSTERREICH", note='say "hi"\nthere \\ ✓ 𝄞'), ""),
    "plain": (payload("resize_all"), "acme-2"),
    "foreign": (b"\x80\x04not json", ""),
}

CASES: list[tuple[JobFilter, set[str]]] = [
    (JobFilter(), set(JOBS)),
    (JobFilter(actor="send_email"), {"mail"}),
    (JobFilter(actor="resize"), {"other", "brackets", "text"}),
    (JobFilter(actor="nobody"), set()),
    (JobFilter(workspace="acme"), {"mail", "brackets"}),
    (JobFilter(workspace="ACME"), set()),
    (JobFilter(tag="news"), {"mail"}),
    (JobFilter(tag="äö"), {"mail"}),
    (JobFilter(tag="a]b"), {"brackets"}),
    (JobFilter(tag='quo"ted'), {"brackets"}),
    (JobFilter(tag="tail"), {"brackets"}),
    (JobFilter(tag="new"), set()),
    (JobFilter(text="GRüßE"), {"text"}),
    (JobFilter(text="österreich"), set()),
    (JobFilter(text="ÖsterReich"), {"text"}),
    (JobFilter(text='say "hi"\nthere \\ ✓ 𝄞'), {"text"}),
    (JobFilter(text="%w+"), set()),
    (JobFilter(text="not JSON"), {"foreign"}),
    (JobFilter(actor="resize", workspace="acme", tag="tail", text="QUO"), {"brackets"}),
    (JobFilter(actor="send_email", workspace="bolt"), set()),
]


@pytest.fixture
def desk(engine: Engine) -> Desk:
    desk = Desk(engine)
    for job_id, (message, workspace) in JOBS.items():
        engine.add(job_id, payload=message, workspace=workspace)
    return desk


def found(desk: Desk, only: JobFilter) -> set[str]:
    return {job.id for job in desk.service.find_jobs("q", only).jobs}


@pytest.mark.parametrize(("only", "expected"), CASES, ids=lambda part: repr(part)[:70])
def test_a_filter_means_these(desk: Desk, only: JobFilter, expected: set[str]) -> None:
    assert found(desk, only) == expected


def test_all_verbs_on_many_mean_the_same_jobs(desk: Desk) -> None:
    only = JobFilter(tag="news")
    assert desk.service.cancel_all("q", only=only) == 1
    assert desk.service.retry_all("q", state="cancelled", only=only) == 1
    assert desk.service.reschedule_job("q", "mail", delay=60) == "done"
    assert desk.service.promote_all("q", only=JobFilter(tag="tail")) == 0
    assert desk.service.promote_all("q", only=only) == 1
    assert desk.of("waiting")[-1] == "mail"


def test_times_are_those_of_the_add_both_ends_included(desk: Desk) -> None:
    at = datetime.fromtimestamp(desk.service.get_job("q", "mail").added_ms / 1000, UTC)
    ms = timedelta(milliseconds=1)
    assert "mail" in found(desk, JobFilter(added_after=at, added_before=at))
    assert "mail" not in found(desk, JobFilter(added_before=at - ms))
    assert "mail" not in found(desk, JobFilter(added_after=at + ms))


def test_text_is_found_in_reasons_and_in_errors_of_attempts(desk: Desk) -> None:
    order = desk.worker.fetch(6)
    desk.worker.finish(order[0], "f", reason="Quota of ÄCME used up")
    desk.worker.finish(order[1], "r", delay=60_000, error=("TimeoutError", "no answer", "at line 7, in <fetch>"))
    assert found(desk, JobFilter(text="QUOTA of Ä")) == {order[0]}
    for text in ("timeouterror", "No Answer", "in <fetch>"):
        assert found(desk, JobFilter(text=text)) == {order[1]}, text


def test_text_is_not_found_in_what_is_no_text(desk: Desk) -> None:
    """A record holds counters, a worker's id and one letter for the state."""
    order = desk.worker.fetch(6)
    desk.worker.cycle(*((job_id, "r", {"delay": 60_000}) for job_id in order))
    assert found(desk, JobFilter(text=desk.worker.name)) == set()
    assert found(desk, JobFilter(text="\0")) == set()
