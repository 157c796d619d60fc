"""What actors take: checked by the model, by its published schema, and again in the worker."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from callboard.codec import encode_payload
from callboard.errors import Deferred, InvalidOption, PayloadInvalid, PayloadUnfit
from callboard.payloads import Contract, PublishedSchema, contract_of, taking


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1)
    n: int = 1


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    items: list[Item] = Field(min_length=1)
    due: datetime | None = None
    password: SecretStr | None = None
    kind: Annotated[str, Field(pattern="^[a-z]+$")] = "plain"

    @field_validator("kind")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind == "unknown":
            raise ValueError("is not a kind that we make")
        return kind


CONTRACT = Contract("make", Order)
SCHEMA = PublishedSchema("make", CONTRACT.published()["schema"], 1)
GOOD: dict[str, Any] = {"items": [{"name": "a"}], "due": "2026-05-01T10:00:00Z"}

#: A payload, and the field that both checks name.
BAD = [
    ({}, "items"),
    ({"items": []}, "items"),
    ({"items": [{"name": ""}]}, "items.0.name"),
    ({"items": [{"name": "a"}, {"name": "b", "n": "many"}]}, "items.1.n"),
    ({**GOOD, "due": "tomorrow"}, "due"),
    ({**GOOD, "kind": "UPPER"}, "kind"),
    ({**GOOD, "colour": 1}, "colour"),
    ({**GOOD, "password": 17}, "password"),
]


@pytest.mark.parametrize("check", [CONTRACT.check, SCHEMA.check], ids=["model", "schema"])
@pytest.mark.parametrize(("payload", "field"), BAD)
def test_a_payload_that_does_not_fit_is_refused_with_the_field(check: Any, payload: Any, field: str) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        check((), payload)
    assert field in str(refused.value)
    assert "'make'" in str(refused.value)


@pytest.mark.parametrize("check", [CONTRACT.check, SCHEMA.check], ids=["model", "schema"])
def test_a_payload_that_fits_passes(check: Any) -> None:
    check((), GOOD)
    check((), {**GOOD, "due": None, "password": "secret"})


@pytest.mark.parametrize("check", [CONTRACT.check, SCHEMA.check], ids=["model", "schema"])
def test_values_stay_out_of_the_reason(check: Any) -> None:
    with pytest.raises(PayloadInvalid) as refused:
        check((), {"items": [{"name": "a", "n": "4111-1111"}], "kind": "4111-1111", "due": "4111-1111"})
    assert "4111" not in str(refused.value)


@pytest.mark.parametrize("check", [CONTRACT.check, SCHEMA.check], ids=["model", "schema"])
def test_a_key_that_is_no_name_stays_out_of_the_reason(check: Any) -> None:
    with pytest.raises(PayloadInvalid, match=r"items\.0\.\(a key that is no name\): ") as refused:
        check((), {"items": [{"name": "a", "ada@example.org": 1}]})
    assert "ada" not in str(refused.value)


def test_of_one_or_many_the_schema_names_the_item_that_does_not_fit() -> None:
    class Mail(BaseModel):
        to: str | list[str]

    schema = PublishedSchema("mail", Mail.model_json_schema(), 1)
    with pytest.raises(PayloadInvalid, match=r"'mail': to\.1: it is not of type \"string\"$"):
        schema.check((), {"to": ["a", 7]})
    with pytest.raises(PayloadInvalid, match=r"'mail': to: it is not of type \"string\"$"):
        schema.check((), {"to": 7})


@pytest.mark.parametrize("check", [CONTRACT.check, SCHEMA.check], ids=["model", "schema"])
def test_positional_arguments_are_refused(check: Any) -> None:
    with pytest.raises(PayloadInvalid, match="named values"):
        check((1,), GOOD)


def test_an_optional_field_says_what_is_wrong_with_its_value() -> None:
    with pytest.raises(PayloadInvalid, match='due: it is not a "date-time"'):
        SCHEMA.check((), {**GOOD, "due": "tomorrow"})


def test_many_faults_are_counted() -> None:
    with pytest.raises(PayloadInvalid, match="and 3 more"):
        CONTRACT.check((), {"items": [{"name": ""}] * 8})


def test_what_only_the_model_knows_is_found_in_the_worker() -> None:
    SCHEMA.check((), {**GOOD, "kind": "unknown"})
    with pytest.raises(PayloadUnfit, match="kind: is not a kind that we make"):
        CONTRACT.read((), {**GOOD, "kind": "unknown"}, 1)


def test_the_function_gets_the_model() -> None:
    fn = taking(lambda order: order, CONTRACT, lambda _: None)
    assert fn(**GOOD).items[0].name == "a"
    assert fn(Order(**GOOD)) == fn(**GOOD)


def test_an_older_payload_is_upgraded() -> None:
    def upgrade(payload: dict[str, Any], version: int) -> dict[str, Any]:
        return {"items": [{"name": payload["name"]}]} if version == 1 else payload

    contract = Contract("make", Order, 2, upgrade)
    fn = taking(lambda order: order, contract, lambda _: 1)
    assert fn(name="old").items[0].name == "old"
    with pytest.raises(PayloadUnfit, match="version 1 cannot be upgraded to 2: KeyError"):
        fn(title="old")


def test_a_newer_payload_waits_for_a_newer_worker() -> None:
    with pytest.raises(Deferred, match="version 2, this worker knows 1") as deferred:
        CONTRACT.read((), GOOD, 2)
    assert deferred.value.seconds > 0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"payload": dict}, "not a Pydantic model"),
        ({"payload": Order, "payload_version": 0}, "payload_version 0"),
        ({"payload": Order, "payload_version": True}, "payload_version True"),
        ({"payload": Order, "upgrade": "later"}, "upgrade is not a function"),
        ({"payload_version": 2}, "need a model"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidOption, match=f"make: .*{reason}"):
        contract_of("make", options)


def test_a_model_without_a_schema_is_refused_at_the_declaration() -> None:
    class Odd(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)

        call: Callable[[int], int]

    with pytest.raises(InvalidOption, match="producers cannot be told"):
        contract_of("make", {"payload": Odd})


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "soon", 1e12])
def test_a_job_is_not_deferred_for_nonsense(seconds: Any) -> None:
    with pytest.raises(InvalidOption, match="ten years"):
        Deferred(seconds)


def test_a_strict_model_takes_what_json_has() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)

        at: datetime
        n: int = 1

    contract = Contract("make", Strict)
    payload = {"at": "2026-05-01T10:00:00Z"}
    contract.check((), payload)
    assert isinstance(contract.read((), payload, 1), Strict)
    with pytest.raises(PayloadInvalid, match="n: "):
        contract.check((), {**payload, "n": "5"})


def test_the_schema_takes_times_as_the_model_dumps_them() -> None:
    class Times(BaseModel):
        at: datetime
        wait: timedelta

    times = Times(at=datetime.fromisoformat("2026-05-01T00:00:00"), wait=timedelta(seconds=-1.5))
    dumped = times.model_dump(mode="json")
    PublishedSchema("make", Contract("make", Times).published()["schema"], 1).check((), dumped)


def test_defaults_that_are_secret_are_not_published() -> None:
    class Keyed(BaseModel):
        api_key: str = "sk-default-123"
        top: int = 10

    published = Contract("make", Keyed).published()["schema"]
    assert "sk-default-123" not in str(published)
    assert published["properties"]["top"]["default"] == 10


def test_a_validator_that_breaks_is_told_as_a_payload_that_does_not_fit() -> None:
    class Breaking(BaseModel):
        kind: str

        @field_validator("kind")
        @classmethod
        def _known(cls, kind: str) -> str:
            raise KeyError(kind)

    contract = Contract("make", Breaking)
    with pytest.raises(PayloadInvalid, match="'make' cannot be checked: KeyError$"):
        contract.check((), {"kind": "a"})
    with pytest.raises(PayloadUnfit, match="'make' cannot be checked: KeyError$"):
        contract.read((), {"kind": "a"}, 1)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_refused(number: float) -> None:
    with pytest.raises(PayloadInvalid, match="'make' cannot be stored"):
        encode_payload("make", (), {"n": [number]}, {}, 0)
