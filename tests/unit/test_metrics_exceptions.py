"""Which names of exceptions become label values."""

from __future__ import annotations

import builtins

import pytest

from actors.email.errors import EmailRetryable
from callboard import errors
from middleware.metrics import exceptions
from middleware.metrics.exceptions import MOST, OTHER, Allowed


class OfTheApplication(Exception):
    """An error of a package that actors are from."""


@pytest.mark.parametrize(
    "name",
    [
        "ValueError", "TimeoutError", "PermanentError", "PayloadUnfit", "StoreUnavailable", "TimeLimitExceeded",
        "Retry", "ResultTooLarge", "ResultInvalid", "OfTheApplication",
    ],
)  # fmt: skip
def test_names_of_python_the_engine_dramatiq_and_the_application_are_told(name: str) -> None:
    assert Allowed([__name__]).label(name) == name


def test_every_error_of_callboard_may_be_told() -> None:
    allowed = Allowed([])
    for name, each in vars(errors).items():
        if isinstance(each, type) and issubclass(each, BaseException) and not hasattr(builtins, name):
            assert allowed.label(name) == name


@pytest.mark.parametrize("name", ["ConnectTimeout", "JSONDecodeErrors", "", "value: 4711", "other"])
def test_all_others_are_other(name: str) -> None:
    assert Allowed([__name__]).label(name) == OTHER


def test_a_package_that_no_actor_is_from_is_not_told() -> None:
    assert EmailRetryable.__name__ == "EmailRetryable"
    assert Allowed(["tests"]).label("EmailRetryable") == OTHER
    assert Allowed(["actors.email_notifications"]).label("EmailRetryable") == "EmailRetryable"


def test_a_class_that_comes_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(exceptions, "monotonic", lambda: clock[0])
    allowed = Allowed([__name__])
    assert allowed.label("LateComer") == OTHER
    late = type("LateComer", (Exception,), {"__module__": __name__})
    assert allowed.label("LateComer") == OTHER, "it looks but seldom: a look walks all classes"
    clock[0] += 11
    assert allowed.label("LateComer") == "LateComer"
    del late


def test_classes_without_end_are_other_at_some_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exceptions, "_LOOK_S", 0.0)
    allowed = Allowed([__name__])
    made = [type(f"Made{n}", (Exception,), {"__module__": __name__}) for n in range(MOST + 10)]
    labels = [allowed.label(each.__name__) for each in made]
    assert len(set(labels)) == MOST + 1
    assert set(labels[MOST:]) == {OTHER}
