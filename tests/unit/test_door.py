"""The door: what is not right is refused with a typed error that names the field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callboard.catalogue import Priority, QueueSpec
from callboard.codec import MAX_DEPTH, decode_payload
from callboard.door import MAX_DELAY_MS, admit
from callboard.errors import BadRequest, InvalidOption, PayloadInvalid, PayloadTooLarge
from callboard.verbs.add import NewJob

SPEC = QueueSpec(name="q", priority=7, max_payload_bytes=1_000)


def through(kwargs: Any = None, options: dict[str, Any] | None = None, **changes: Any) -> NewJob:
    """Pass the door of ``SPEC``."""
    given: dict[str, Any] = {"job_id": "a", **changes}
    return admit(SPEC, "send", (), {} if kwargs is None else kwargs, options or {}, **given)


def test_a_plain_job_passes() -> None:
    job = through({"to": "ada"}, timestamp=5)
    assert (job.stored_id, job.priority, job.workspace, job.delay_ms, job.due_ms) == ("a", 7, "", 0, 0)
    assert decode_payload(job.payload) == ("send", (), {"to": "ada"}, {}, 5)


def test_options_travel_with_the_payload_but_for_those_of_the_record() -> None:
    options = {"priority": 2, "workspace": "acme", "max_attempts": 4, "tags": ["x"], "eta": 1, "time_limit": None}
    job = through(options=options)
    assert (job.priority, job.workspace) == (2, "acme")
    assert decode_payload(job.payload)[3] == {"max_attempts": 4, "tags": ["x"]}


@pytest.mark.parametrize(
    ("asked", "actor", "expected"),
    [(None, 0, 7), (0, 0, 7), (None, 3, 3), (0, 3, 3), (1, 3, 1), (1000, 3, 1000), (Priority.CRITICAL, 0, 1)],
)
def test_priority_is_the_jobs_or_the_actors_or_the_queues(asked: int | None, actor: int, expected: int) -> None:
    assert through(options={"priority": asked}, actor_priority=actor).priority == expected


@pytest.mark.parametrize("priority", [-1, 1001, 2.5, "high", "", True, False, [], float("nan")])
def test_a_bad_priority_is_refused(priority: Any) -> None:
    with pytest.raises(InvalidOption, match="priority"):
        through(options={"priority": priority})


@pytest.mark.parametrize("delay", [-1, MAX_DELAY_MS + 1, float("nan"), float("inf"), "5", True])
def test_a_bad_delay_is_refused(delay: Any) -> None:
    with pytest.raises(InvalidOption, match="delay"):
        through(delay_ms=delay)


def test_a_delay_is_in_whole_milliseconds() -> None:
    assert through(delay_ms=1500.7).delay_ms == 1500
    assert through(delay_ms=MAX_DELAY_MS).delay_ms == MAX_DELAY_MS


def test_run_at_is_a_time_with_a_zone() -> None:
    at = datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert through(run_at=at).due_ms == int(at.timestamp() * 1000)
    assert through(run_at=datetime(1969, 1, 1, tzinfo=UTC)).due_ms == 1


@pytest.mark.parametrize(
    "run_at",
    [datetime(2024, 5, 1), "2024-05-01", 5, datetime.now(UTC) + timedelta(days=11 * 366)],  # noqa: DTZ001  # that is it
)
def test_a_bad_run_at_is_refused(run_at: Any) -> None:
    with pytest.raises(InvalidOption, match="run_at"):
        through(run_at=run_at)


def test_delay_and_run_at_exclude_each_other() -> None:
    with pytest.raises(InvalidOption, match="not both"):
        through(delay_ms=5, run_at=datetime.now(UTC))


@pytest.mark.parametrize("job_id", ["", "a b", "x" * 129, 7, None])
def test_a_bad_id_is_refused(job_id: Any) -> None:
    with pytest.raises(InvalidOption, match="id"):
        through(job_id=job_id)


@pytest.mark.parametrize("workspace", ["x" * 129, "é" * 65, "a\nb", "\x00", 5, b"acme", ["acme"], "\ud800"])
def test_a_bad_workspace_is_refused(workspace: Any) -> None:
    with pytest.raises(InvalidOption, match="workspace"):
        through(options={"workspace": workspace})


@pytest.mark.parametrize("workspace", ["x" * 128, "é" * 64, "Bäckerei Müller & Söhne", "a:b{c}"])
def test_a_workspace_of_at_most_128_bytes_passes(workspace: str) -> None:
    assert through(options={"workspace": workspace}).workspace == workspace


@pytest.mark.parametrize("tags", ["x", [""], [5], ["x"] * 21, {"x": 1}])
def test_bad_tags_are_refused(tags: Any) -> None:
    with pytest.raises(InvalidOption, match="tags"):
        through(options={"tags": tags})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_attempts", 0), ("max_attempts", 1001), ("max_attempts", 1.5), ("max_attempts", True),
        ("max_retries", -1), ("max_retries", "3"), ("time_limit", 0), ("time_limit", "1s"),
        ("time_limit", float("nan")),
        ("backoff_base_ms", -1), ("backoff_cap_ms", MAX_DELAY_MS + 1), ("min_backoff", -1), ("max_backoff", 0.5),
        ("backoff", "linear"), ("backoff", 5), ("backoff", ["fixed"]),
        ("throws", "ValueError"), ("throws", ["ValueError"]), ("retry_when", "always"), ("retry_when", True),
        ("result_ttl", "1h"), ("result_ttl", float("nan")), ("result_ttl", 0), ("max_age", "1h"), ("max_age", -1),
    ],
)  # fmt: skip
def test_a_bad_option_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=name):
        through(options={name: value})


def test_a_payload_at_the_limit_passes_and_one_byte_more_is_refused() -> None:
    room = SPEC.max_payload_bytes - len(through({"x": ""}, timestamp=5).payload)
    assert len(through({"x": "y" * room}, timestamp=5).payload) == SPEC.max_payload_bytes
    with pytest.raises(PayloadTooLarge, match="1001 bytes; queue 'q' takes 1000"):
        through({"x": "y" * (room + 1)}, timestamp=5)


def circle() -> dict[str, Any]:
    """A payload that contains itself."""
    payload: dict[str, Any] = {}
    payload["self"] = payload
    return payload


def nested(levels: int) -> Any:
    """An object with lists in it, ``levels`` in all."""
    value: Any = []
    for _ in range(levels - 2):
        value = [value]
    return {"deep": value}


def test_a_payload_may_be_a_hundred_levels_deep_and_no_more() -> None:
    through(nested(MAX_DEPTH))
    through({"flat": [[]] * 200})
    with pytest.raises(PayloadInvalid, match="100 levels"):
        through(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("payload", [{"x": object()}, {"x": b"bytes"}, {"x": {1}}, {"x": datetime.now(UTC)}, circle()])
def test_a_payload_that_is_not_json_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(PayloadInvalid, match="send"):
        through(payload)


@pytest.mark.parametrize("payload", [["a"], "text", 5, ("to", "ada")])
def test_a_payload_that_is_no_object_is_refused(payload: Any) -> None:
    with pytest.raises(PayloadInvalid, match="object"):
        through(payload)


def test_every_refusal_is_a_bad_request() -> None:
    assert issubclass(InvalidOption, BadRequest)
    assert issubclass(PayloadInvalid, BadRequest)
    assert issubclass(PayloadTooLarge, BadRequest)
