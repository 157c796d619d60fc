"""The catalogue and the settings: ten queues by default, changed by data alone, and what does not fit is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from callboard.catalogue import Catalogue, Priority, QueueSpec, default_queues
from callboard.errors import UnknownQueue
from callboard.settings import Settings

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

#: attempts, backoff (kind, base, cap), time limit, wait target, per process, priority: the specification's table.
TABLE = {
    "post-publishing": (5, ("exponential", 5 * SECOND, 15 * MINUTE), 5 * MINUTE, 30 * SECOND, None, Priority.HIGH),
    "analytics-collection":
        (3, ("exponential", 30 * SECOND, 30 * MINUTE), 10 * MINUTE, 10 * MINUTE, None, Priority.NORMAL),
    "social-listening": (3, ("exponential", 60 * SECOND, 30 * MINUTE), 5 * MINUTE, 5 * MINUTE, None, Priority.NORMAL),
    "media-processing": (3, ("exponential", 10 * SECOND, 10 * MINUTE), 30 * MINUTE, 2 * MINUTE, 2, Priority.NORMAL),
    "email-notifications": (5, ("exponential", 2 * SECOND, 10 * MINUTE), 1 * MINUTE, 30 * SECOND, None, Priority.HIGH),
    "webhook-delivery": (10, ("exponential", 1 * SECOND, 1 * HOUR), 1 * MINUTE, 10 * SECOND, None, Priority.NORMAL),
    "report-generation": (3, ("fixed", 60 * SECOND, 60 * SECOND), 15 * MINUTE, 5 * MINUTE, 2, Priority.NORMAL),
    "data-export": (3, ("fixed", 30 * SECOND, 30 * SECOND), 30 * MINUTE, 5 * MINUTE, 2, Priority.LOW),
    "ai-processing": (4, ("exponential", 5 * SECOND, 10 * MINUTE), 5 * MINUTE, 1 * MINUTE, 4, Priority.NORMAL),
    "maintenance": (1, None, 30 * MINUTE, 1 * HOUR, 1, Priority.BACKGROUND),
}  # fmt: skip


def settings(**given: Any) -> Settings:
    return Settings(**given)


def test_the_ten_queues_in_their_order() -> None:
    assert list(default_queues()) == list(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_a_queue_has_the_defaults_of_the_specification(name: str) -> None:
    attempts, backoff, limit, target, per_process, priority = TABLE[name]
    spec = default_queues()[name]
    assert (spec.max_attempts, spec.time_limit_ms, spec.wait_target_ms) == (attempts, limit, target)
    assert (spec.max_per_process, spec.priority) == (per_process, priority)
    if backoff is not None:
        assert (spec.backoff, spec.backoff_base_ms, spec.backoff_cap_ms) == backoff


@pytest.mark.parametrize("name", TABLE)
def test_what_holds_for_every_queue(name: str) -> None:
    spec = default_queues()[name]
    assert (spec.lease_ms, spec.max_stalls, spec.max_payload_bytes) == (30 * SECOND, 2, 256 * 1024)
    assert (spec.keep_completed, spec.keep_completed_ms, spec.keep_failed) == (1_000, DAY, 10_000)
    assert spec.keep_failed_ms == (30 * DAY if name == "webhook-delivery" else 7 * DAY)
    limits = spec.thresholds
    assert (limits.failed, limits.waiting, limits.delayed, limits.active) == (100, 10_000, 5_000, 1_000)


def test_an_unknown_queue_is_told_with_those_that_exist() -> None:
    catalogue = Catalogue(default_queues())
    assert "emails" not in catalogue
    with pytest.raises(UnknownQueue, match="'emails'.*email-notifications"):
        catalogue["emails"]
    with pytest.raises(UnknownQueue, match=r"'data-exports' \(did you mean 'data-export'\?\)"):
        catalogue["data-exports"]


@pytest.mark.parametrize("name", ["", "0", "1queue", "a b", "a{b}", "a:b", "é", "x" * 65, "-x"])
def test_a_queue_name_that_cannot_be_part_of_a_key_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="queue name"):
        QueueSpec(name=name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", 0), ("priority", 1001), ("max_attempts", 0), ("backoff", "linear"), ("backoff_base_ms", -1),
        ("backoff_jitter", 1.1), ("time_limit_ms", 0), ("max_per_process", 0), ("weight", 0), ("weight", 101),
        ("lease_ms", 999), ("max_stalls", -1), ("max_length", 0), ("keep_completed", -1), ("colour", "red"),
    ],
)  # fmt: skip
def test_a_field_that_does_not_fit_is_named(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        QueueSpec.model_validate({"name": "q", field: value})


def test_the_environment_changes_and_adds_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"maintenance": {"max_attempts": 4}, "invoices": {"priority": 2, "max_length": 50}}
    monkeypatch.setenv("CALLBOARD_QUEUES", json.dumps(changes))
    catalogue = settings().catalogue
    assert list(catalogue) == [*TABLE, "invoices"]
    assert (catalogue["maintenance"].max_attempts, catalogue["maintenance"].max_per_process) == (4, 1)
    assert (catalogue["invoices"].priority, catalogue["invoices"].max_length) == (2, 50)


def test_the_environment_can_replace_the_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_QUEUES", '{"only": {}}')
    monkeypatch.setenv("CALLBOARD_ONLY_QUEUES", "true")
    assert list(settings().catalogue) == ["only"]


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(ValidationError, match="empty"):
        settings(only_queues=True)


@pytest.mark.parametrize(
    ("queues", "said"),
    [
        ('{"q": {"max_attempts": 0}}', "max_attempts"),
        ('{"q": {"max_atempts": 1}}', "max_atempts"),
        ('{"bad name": {}}', "queue name"),
        ('{"q": 5}', "queues"),
        ('{"q": {"lease_ms": null}}', "lease_ms"),
    ],
)
def test_a_mistake_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch, queues: str, said: str) -> None:
    monkeypatch.setenv("CALLBOARD_QUEUES", queues)
    with pytest.raises(ValidationError, match=said):
        settings()


def test_redis_is_found_by_url_or_by_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    assert settings().url == "redis://127.0.0.1:6379/0"
    monkeypatch.setenv("REDIS_HOST", "cache.internal")
    monkeypatch.setenv("REDIS_PORT", "7000")
    monkeypatch.setenv("REDIS_PASSWORD", "p@ss/word:")
    assert settings().url == "redis://:p%40ss%2Fword%3A@cache.internal:7000/0"
    monkeypatch.setenv("REDIS_URL", "rediss://other:1/2")
    assert settings().url == "rediss://other:1/2"


def test_passwords_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@localhost:6379/0")
    monkeypatch.setenv("REDIS_PASSWORD", "hunter2")
    assert "hunter2" not in repr(settings())


@pytest.mark.parametrize("prefix", ["", "a b", "a{b}", "a:b", "x" * 33])
def test_a_prefix_that_would_break_the_keys_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="prefix"):
        settings(prefix=prefix)


def test_settings_do_not_change_once_made() -> None:
    made = settings()
    with pytest.raises(ValidationError):
        setattr(made, "prefix", "other")  # noqa: B010  # mypy knows that it cannot be done
    with pytest.raises(ValidationError):
        setattr(made.catalogue["maintenance"], "weight", 5)  # noqa: B010
