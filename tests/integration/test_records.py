"""The packed record: Lua and Python read and write the same layout."""

from __future__ import annotations

from importlib.resources import files

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callboard.packing import pack, unpack
from callboard.records import _HEAD, _REST, STATES, Record, unpack_head, unpack_record
from callboard.store.store import Store

INCLUDE = files("callboard.verbs").joinpath("includes/record.lua").read_text()

FIELDS = Record._fields

#: Writes a record from named fields, reads it, and gives both forms.
ROUND_TRIP = (
    INCLUDE
    + """
local r = cmsgpack.unpack(ARGV[1])
local rec = encode(r)
local d = decode(rec)
return {rec, cmsgpack.pack({d.state, d.priority, d.workspace, d.added, d.ready, d.attempts, d.stalls, d.lost, d.score,
  d.started, d.duration, d.number, d.worker, d.options, d.reason})}
"""
)

FRESH = INCLUDE + "\nreturn new_record(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4])"

#: waiting -> active -> completed by the short cuts that the common path takes.
PATH = (
    INCLUDE
    + """
local token = token_of(ARGV[2], tonumber(ARGV[3]))
local active = activate(ARGV[1], tonumber(ARGV[4]), pack('>I8', ARGV[5]), token)
local owned = is_owned(active, token) and not is_owned(active, token_of(ARGV[2], tonumber(ARGV[3]) + 1))
return {active, complete(active, tonumber(ARGV[6]), tonumber(ARGV[7])), owned and 1 or 0}
"""
)

times = st.integers(0, 2**52)  # and durations on top stay exact
shorts = st.integers(0, 2**16 - 1)
texts = st.binary(max_size=300)
records = st.builds(
    Record,
    state=st.sampled_from(sorted(STATES)), priority=st.integers(1, 1000), workspace=st.binary(max_size=128),
    added=times, ready=times, attempts=shorts, stalls=shorts, lost=shorts, score=times, started=times,
    duration=st.integers(0, 2**32 - 1), number=times, worker=st.binary(min_size=12, max_size=12), options=texts,
    reason=texts,
)  # fmt: skip

examples = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@examples
@given(record=records)
def test_a_record_that_lua_wrote_is_read_alike_by_both(store: Store, record: Record) -> None:
    packed, read = store.execute("EVAL", ROUND_TRIP, 0, pack(record._asdict()))
    assert unpack_record(packed) == record
    assert Record(*unpack(read)) == record


@examples
@given(record=records)
def test_a_record_has_its_parts_at_fixed_places(store: Store, record: Record) -> None:
    packed, _ = store.execute("EVAL", ROUND_TRIP, 0, pack(record._asdict()))
    head = _HEAD.pack(record.state, record.priority, record.added, len(record.workspace)) + record.workspace
    rest = _REST.pack(
        record.ready, record.attempts, record.stalls, record.lost, record.score, record.started, record.duration,
        record.number, record.worker, len(record.options),
    )  # fmt: skip
    assert packed == head + rest + record.options + record.reason
    assert unpack_head(packed) == (record.priority, record.added, record.workspace, True)


@examples
@given(state=st.sampled_from(["w", "d"]), priority=st.integers(1, 1000), added=times, workspace=st.binary(max_size=128))
def test_a_new_record_is_its_head_alone(store: Store, state: str, priority: int, added: int, workspace: bytes) -> None:
    packed = store.execute("EVAL", FRESH, 0, state, priority, added, workspace)
    assert len(packed) == 12 + len(workspace)
    record = unpack_record(packed)
    assert record[:4] == (state.encode(), priority, workspace, added)
    assert not any(record[4:])
    assert unpack_head(packed) == (priority, added, workspace, False)


@examples
@given(record=records, fresh=st.booleans(), number=times, score=times, started=times, duration=st.integers(0, 2**31))
def test_the_short_cuts_change_what_they_should_and_nothing_else(
    store: Store, record: Record, fresh: bool, number: int, score: int, started: int, duration: int
) -> None:
    record = record._replace(state=b"w", attempts=record.attempts % 1000)
    if fresh:
        packed = store.execute("EVAL", FRESH, 0, "w", record.priority, record.added, record.workspace)
        record = unpack_record(packed)
    else:
        packed, _ = store.execute("EVAL", ROUND_TRIP, 0, pack(record._asdict()))
    ended = started + duration
    active, completed, owned = store.execute(
        "EVAL", PATH, 0, packed, b"worker-00001", number, score, started, ended, duration
    )
    expected = record._replace(
        state=b"a", score=score, started=started, duration=0, number=number, worker=b"worker-00001"
    )
    assert unpack_record(active) == expected
    assert unpack_record(completed) == expected._replace(
        state=b"c", attempts=record.attempts + 1, started=started, duration=duration
    )
    assert owned == 1


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_is_named_in_the_layout(field: str) -> None:
    words = {"state": "state (1)", "number": "number of the fetch", "worker": "worker id", "added": "added ms"}
    assert words.get(field, field) in INCLUDE
