"""The pump's calls: resent under their numbers, and no finish holds up the others."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ResponseError

from callboard.catalogue import QueueSpec
from callboard.errors import StoreUnavailable
from callboard.packing import unpack
from callboard.settings import Settings
from callboard.worker import exchange
from callboard.worker.exchange import Exchange

SPEC = QueueSpec(name="q")
REPLY = [b"1", [], 0, 0, 0, 0, 0, 1_700_000_000_000, []]


class Script:
    """A store whose cycles answer as ``answers`` say, then well; it keeps what it was asked."""

    def __init__(self, *answers: Exception) -> None:
        self.settings = Settings(redis_url="redis://127.0.0.1:1")
        self.answers = list(answers)
        self.cycles: list[tuple[int, list[str]]] = []
        self.committed: list[str] = []
        self.reclaimed = 0
        self.poison = ""

    def pipeline(self, calls: Any) -> list[Any]:
        replies: list[Any] = []
        for _, _, args in calls:
            ids = [part.decode() for part in unpack(args[6])[::4]] if args[6] else []
            self.cycles.append((args[1], ids))
            if self.answers:
                answer = self.answers.pop(0)
                if isinstance(answer, StoreUnavailable):
                    raise answer
                replies.append(answer)
            elif self.poison in ids:
                replies.append(ResponseError("the script chokes"))
            else:
                self.committed += ids
                replies.append(REPLY)
        return replies

    def call(self, verb: str, queue: str, args: Any) -> Any:
        assert verb == "reclaim"
        self.reclaimed += 1
        return [0, -1]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(exchange, "_LONGEST_WAIT_S", 0.001)


def _exchange(store: Script) -> Exchange:
    return Exchange(store, "worker-00001", {"q": SPEC}, dict)  # type: ignore[arg-type]


def test_a_cycle_without_reply_is_sent_again_under_its_number_and_fetches_nothing() -> None:
    store = Script(StoreUnavailable("cut"), StoreUnavailable("still cut"))
    calls = _exchange(store)
    request = calls.request("q", [("a", 1, "c", 5, None)])
    request.at_once, request.ahead = 4, 8
    replies, was_away = calls.send([request])
    assert was_away, "the pump must know that marks may be lost"
    assert store.cycles == [(request.number, ["a"])] * 3, "each send carries the same number and finishes"
    assert (request.at_once, request.ahead) == (0, 0), "a resend fetches nothing: what it fetched first is reclaimed"
    assert store.reclaimed == 1
    assert len(replies) == 1


def test_redis_away_until_the_deadline_is_an_error() -> None:
    calls = _exchange(Script(*[StoreUnavailable("away")] * 50))
    calls.deadline = 0.0
    with pytest.raises(StoreUnavailable, match="will be recovered"):
        calls.send([calls.request("q", [("a", 1, "c", 5, None)])])


def test_a_finish_that_the_script_chokes_on_holds_up_no_other() -> None:
    store = Script()
    store.poison = "bad"
    calls = _exchange(store)
    finishes = [(name, 1, "c", 5, None) for name in ("good", "bad", "also-good")]
    replies, _ = calls.send([calls.request("q", finishes)])
    assert store.committed == ["good", "also-good"]
    assert len(replies) == 1, "one reply a request, so that all its jobs are settled"


def test_ends_that_were_taken_beside_a_damaged_queue_are_asked_for_under_their_number() -> None:
    store = Script()
    store.poison = "bad"
    calls = _exchange(store)
    good, bad = calls.request("q", [("good", 1, "c", 5, None)]), calls.request("q", [("bad", 1, "c", 5, None)])
    (of_good, _), _ = calls.send([good, bad])
    assert of_good.codes == b"1"
    assert {number for number, ids in store.cycles if ids == ["good"]} == {good.number}, "anew, it would be refused"
