"""Job ids: short, unique, in the order in which they were made; UUIDs are packed and come back as they were."""

from __future__ import annotations

import os
import threading
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard import ids
from callboard.errors import InvalidOption
from callboard.ids import check_id, new_id, pack_id, unpack_id

valid = st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True)


def test_new_ids_are_valid_and_short() -> None:
    job_id = new_id()
    assert check_id(job_id) == job_id
    assert len(job_id) == 20


def test_200_000_ids_are_unique_and_rise() -> None:
    made = [new_id() for _ in range(200_000)]
    assert len(set(made)) == len(made)
    assert made == sorted(made)


def test_ids_of_several_threads_are_unique() -> None:
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda own=own: own.extend(new_id() for _ in range(5_000))) for own in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({job_id for own in made for job_id in own}) == 20_000
    assert all(own == sorted(own) for own in made)


def test_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", 0)
    made = []
    for second in (1_000_000_000, 1_700_000_000, 1_700_000_001, 4_000_000_000):
        monkeypatch.setattr(time, "time", lambda at=second: float(at))
        made.append(new_id())
    assert made == sorted(made)


def test_ids_rise_when_the_clock_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    before = new_id()
    monkeypatch.setattr(time, "time", lambda: 1_600_000_000.0)
    after = [new_id() for _ in range(100)]
    assert [before, *after] == sorted({before, *after})


def test_a_forked_child_makes_other_ids_than_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last", 0)
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)  # parent and child share a millisecond
    new_id()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, "\n".join(new_id() for _ in range(100)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        theirs = set(pipe.read().split())
    os.waitpid(child, 0)
    assert len(theirs) == 100
    assert theirs.isdisjoint({new_id() for _ in range(100)})


def test_a_child_can_make_ids_when_it_was_forked_under_the_lock() -> None:
    with ids._lock:
        child = os.fork()
        if child == 0:
            thread = threading.Thread(target=new_id, daemon=True)
            thread.start()
            thread.join(5)
            os._exit(1 if thread.is_alive() else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, "the child hangs on its parent's lock"


@given(valid)
def test_packing_is_undone(job_id: str) -> None:
    assert unpack_id(pack_id(job_id)) == job_id


@given(st.uuids())
def test_a_uuid_is_packed_into_23_characters(value: uuid.UUID) -> None:
    stored = pack_id(str(value))
    assert len(stored) == 23
    assert unpack_id(stored) == str(value)


@pytest.mark.parametrize("job_id", ["0F8FAD5B-D9CB-469F-A165-70867728950E", "0f8fad5bd9cb469fa16570867728950e"])
def test_other_spellings_of_a_uuid_stay_as_they_are(job_id: str) -> None:
    assert pack_id(job_id) == job_id


@given(valid, valid)
def test_different_ids_are_stored_differently(one: str, other: str) -> None:
    assert (pack_id(one) == pack_id(other)) == (one == other)


@pytest.mark.parametrize("job_id", ["", "a" * 129, "a b", "a,b", "~" * 23, "é", "a\n", "a/b", None, 7, b"a"])
def test_what_cannot_be_an_id_is_refused(job_id: object) -> None:
    with pytest.raises(InvalidOption, match="1–128 characters"):
        check_id(job_id)


@given(valid)
def test_an_id_of_allowed_characters_is_allowed(job_id: str) -> None:
    assert check_id(job_id) == job_id
