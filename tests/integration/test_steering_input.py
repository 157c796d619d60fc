"""What the service refuses before it asks Redis: limits, cursors, priorities, delays, times, reasons, event ids."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from callboard.errors import (
    InvalidOption,
    PayloadChanged,
    PayloadInvalid,
    PayloadTooLarge,
    UnknownQueue,
)  # fmt: skip
from callboard.service import QueueService
from callboard.settings import Settings
from callboard.store.store import Store
from callboard.verbs.bulk import JobFilter
from tests.support.engine import Engine
from tests.support.steering import Desk, payload

NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001 - that it has no zone is the point


def cursors(*inside: bytes) -> list[str]:
    return ["", "x", "é", *(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in inside)]


NOT_OF_A_SEARCH = cursors(
    b"0 nan id", b"0 inf id", b"0 1e5 id", b"-1 1 id", b"99 1 id", b"0 1", b"0", b"0 1 \xff", b"1_0 1 id", b"1 2 3 4"
)
NOT_OF_A_LIST = cursors(b"nan id", b"inf id", b"1e5 id", b"-1 id", b"1", b"1 ", b"1 a b", b"1 \xff", b"1_0 id", b" id")

REFUSED: dict[str, Callable[[QueueService], Any]] = {
    **{f"limit {n!r} of find": lambda s, n=n: s.find_jobs("q", JobFilter(), limit=n) for n in (0, -1, 201, 1.5, True)},
    **{f"limit {n!r} of a list": lambda s, n=n: s.get_failed_jobs("q", n) for n in (0, -1, 201, 1.5, "5")},
    **{f"limit {n!r} of clean": lambda s, n=n: s.clean_queue("q", "failed", 0, n) for n in (0, -1, 100_001, "5")},
    **{f"limit {n!r} of events": lambda s, n=n: s.get_events("q", limit=n) for n in (0, 1_001)},
    **{f"minutes {n!r}": lambda s, n=n: s.get_history("q", n) for n in (0, 1_441, 2.5)},
    **{f"cursor {c!r} of find": lambda s, c=c: s.find_jobs("q", JobFilter(), cursor=c) for c in NOT_OF_A_SEARCH},
    **{f"cursor {c!r} of a list": lambda s, c=c: s.get_failed_jobs("q", cursor=c) for c in NOT_OF_A_LIST},
    **{f"priority {p!r}": lambda s, p=p: s.reprioritise_job("q", "a", p) for p in (0, -1, 1_001, 5.0, "5", True, None)},
    **{
        f"delay {d!r}": lambda s, d=d: s.reschedule_job("q", "a", delay=d)
        for d in (-1, 4e9, float("nan"), float("inf"), "5", True, [1])
    },
    "neither delay nor run_at": lambda s: s.reschedule_job("q", "a"),
    "delay and run_at": lambda s: s.reschedule_job("q", "a", delay=1, run_at=datetime.now(UTC)),
    "run_at without a zone": lambda s: s.reschedule_job("q", "a", run_at=NAIVE),
    "run_at too far ahead": lambda s: s.reschedule_job("q", "a", run_at=datetime(2099, 1, 1, tzinfo=UTC)),
    **{f"age {a!r}": lambda s, a=a: s.clean_queue("q", "failed", a) for a in (-1, float("nan"), float("inf"), "1")},
    **{f"clean {state!r}": lambda s, state=state: s.clean_queue("q", state, 0) for state in ("active", "blocked", "x")},
    **{f"retry all {state!r}": lambda s, state=state: s.retry_all("q", state=state) for state in ("waiting", "", "x")},
    **{f"cancel all {state!r}": lambda s, x=state: s.cancel_all("q", state=x) for state in ("active", "failed")},
    "find in an unknown state": lambda s: s.find_jobs("q", JobFilter(), states=["held"]),
    "filter by a time without a zone": lambda s: s.find_jobs("q", JobFilter(added_after=NAIVE)),
    "filter by what is no text": lambda s: s.find_jobs("q", JobFilter(workspace="\ud800")),
    **{f"event id {i!r}": lambda s, i=i: s.get_events("q", i) for i in ("", "x", "1-", "+", "²", "9" * 30, "1-2-3")},
    "a reason too long": lambda s: s.cancel_job("q", "a", "x" * 501),
    "a reason that is no text": lambda s: s.cancel_all("q", reason=7),
}  # fmt: skip


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_without_a_trace(desk: Desk, name: str) -> None:
    desk.put("waiting", "a")
    held = desk.engine.snapshot()
    with pytest.raises(InvalidOption) as refusal:
        REFUSED[name](desk.service)
    assert len(str(refusal.value)) < 300
    assert desk.engine.snapshot() == held


def test_no_verb_knows_a_queue_that_the_catalogue_has_not(settings: Settings, store: Store) -> None:
    service = QueueService(settings, store=store)
    calls: list[Callable[[], Any]] = [
        lambda: service.remove_job("nowhere", "a"), lambda: service.retry_all("nowhere"),
        lambda: service.drain_queue("nowhere"), lambda: service.obliterate_queue("nowhere"),
        lambda: service.find_jobs("nowhere", JobFilter()), lambda: service.get_events("nowhere"),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(UnknownQueue):
            call()


def test_an_edit_keeps_actor_options_and_positional_arguments(desk: Desk) -> None:
    desk.put("waiting", "a", payload=payload("work", tags=("x",), n=1))
    assert desk.service.edit_job("q", "a", {"m": "ü"}) == "done"
    job = desk.service.get_job("q", "a")
    assert (job.actor, job.payload, job.options) == ("work", {"m": "ü"}, {"tags": ["x"]})


@pytest.mark.parametrize("bad", [[], "x", None, {1, 2}])
def test_a_payload_that_is_no_object_is_refused(desk: Desk, bad: Any) -> None:
    desk.put("waiting", "a")
    with pytest.raises(PayloadInvalid):
        desk.service.edit_job("q", "a", bad)


def test_a_payload_that_cannot_be_stored_or_is_too_large_is_refused(desk: Desk) -> None:
    desk.put("waiting", "a")
    held = desk.engine.snapshot()
    with pytest.raises(PayloadInvalid):
        desk.service.edit_job("q", "a", {"n": object()})
    with pytest.raises(PayloadTooLarge):
        desk.service.edit_job("q", "a", {"n": "x" * 300_000})
    assert desk.engine.snapshot() == held


def test_of_two_edits_at_once_the_later_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have read before one writes."""
    desk.put("waiting", "a")
    store = desk.service.store
    call = store.call

    def overtaken(verb: str, queue: str, args: Any = ()) -> Any:
        if verb == "edit":
            monkeypatch.setattr(store, "call", call)
            desk.service.edit_job("q", "a", {"n": "first"})
        return call(verb, queue, args)

    monkeypatch.setattr(store, "call", overtaken)
    with pytest.raises(PayloadChanged):
        desk.service.edit_job("q", "a", {"n": "second"})
    assert desk.service.get_job("q", "a").payload == {"n": "first"}
