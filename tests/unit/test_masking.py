"""What is secret is not shown: by a field's name, by what an actor's schema marks, by its form inside a text."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr

from callboard.masking import MASK, hides, is_secret, mask_payload, mask_secrets, mask_text


@pytest.mark.parametrize(
    "name",
    [
        "password", "Password", "db_password", "passwd", "secret", "client-secret", "clientSecret", "token",
        "refreshToken", "Authorization", "proxy-authorization", "api_key", "API-Key", "apikey", "X-Api-Key", "cookie",
        "Set-Cookie", "signature", "X-Hub-Signature-256", "private_key", "whsec_current", "aws_secret_access_key",
        "credentials", "auth",
    ],
)  # fmt: skip
def test_names_that_say_secret(name: str) -> None:
    assert is_secret(name)
    assert hides(name, "x")


@pytest.mark.parametrize("name", ["author", "authors", "key", "passed", "compass", "id", "to", "subject", "public_key"])
def test_names_that_do_not(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("max_tokens", 512, False), ("prompt_tokens", 3, False), ("token_count", 7, False), ("tokens", ["a"], True),
        ("max_tokens", "abc", True), ("password", None, False), ("signature", True, False), ("password", 1234, True),
        ("token", 1234, True), ("password", "", True),
    ],
)  # fmt: skip
def test_a_number_of_tokens_is_no_token(name: str, value: Any, hidden: bool) -> None:
    assert hides(name, value) is hidden


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:hunter2@cache:6379/0", "redis://:***@cache:6379/0"),
        ("two: redis://u:a@b@h, amqp://g:g@i", "two: redis://u:***@h, amqp://g:***@i"),
        ("redis+sentinel://u:pw@h1:1,h2:2/main", "redis+sentinel://u:***@h1:1,h2:2/main"),
        ("https://s3/x?X-Amz-Signature=abc&part=1", "https://s3/x?X-Amz-Signature=***&part=1"),
        ("Authorization: Bearer abcdefgh.1234==", "Authorization: Bearer ***"),
        ("signed with whsec_MfKQ9r8GKY+/w==", "signed with whsec_***"),
        ("http://host:8080/a?to=ada@example.org", "http://host:8080/a?to=ada@example.org"),
        ('{"url": "http://host:80", "to": "a@b"}', '{"url": "http://host:80", "to": "a@b"}'),
        ("the bearer of this letter", "the bearer of this letter"),
    ],
)
def test_secrets_in_a_text_are_masked_and_nothing_else(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_names_count_at_any_depth() -> None:
    given = {"a": [{"Password": "x", "n": 1}], "headers": {"Cookie": {"sid": "y"}}, "url": "redis://:pw@h"}
    assert mask_secrets(given) == {
        "a": [{"Password": MASK, "n": 1}], "headers": {"Cookie": MASK}, "url": "redis://:***@h",
    }  # fmt: skip
    assert given["a"][0]["Password"] == "x", "what was given is not changed"


def test_what_lies_too_deep_is_masked_as_a_whole() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    assert MASK in str(mask_secrets(deep))
    assert "x" not in str(mask_secrets(deep))


class Login(BaseModel):
    user: str
    pin: SecretStr


class Card(BaseModel):
    kind: Literal["card"]
    number: Annotated[str, Field(json_schema_extra={"secret": True})]


class Bank(BaseModel):
    kind: Literal["bank"]
    iban: str


class Node(BaseModel):
    word: SecretStr | None = None
    children: list[Node] = []


class Order(BaseModel):
    model_config = ConfigDict(extra="allow")
    note: str
    login: Login
    spare: Login | None = None
    logins: list[Login] = []
    by_name: dict[str, SecretStr] = {}
    pair: tuple[str, SecretBytes] | None = None
    pay: Annotated[Card | Bank, Field(discriminator="kind")] | None = None
    marked: Annotated[Login | None, Field(json_schema_extra={"secret": True})] = None
    tree: Node | None = None


SCHEMA = Order.model_json_schema()
LOGIN, SHOWN = {"user": "ada", "pin": "1234"}, {"user": "ada", "pin": MASK}


@pytest.mark.parametrize(
    ("payload", "shown"),
    [
        ({"note": "n", "login": LOGIN}, {"note": "n", "login": SHOWN}),
        ({"spare": LOGIN}, {"spare": SHOWN}),
        ({"spare": None}, {"spare": None}),
        ({"logins": [LOGIN, LOGIN]}, {"logins": [SHOWN, SHOWN]}),
        ({"by_name": {"a": "1", "b": "2"}}, {"by_name": {"a": MASK, "b": MASK}}),
        ({"pair": ["plain", "hidden"]}, {"pair": ["plain", MASK]}),
        ({"pay": {"kind": "card", "number": "4111"}}, {"pay": {"kind": "card", "number": MASK}}),
        ({"pay": {"kind": "bank", "iban": "DE1"}}, {"pay": {"kind": "bank", "iban": "DE1"}}),
        ({"marked": LOGIN}, {"marked": MASK}),
        (
            {"tree": {"children": [{"word": "w", "children": [{"word": "v"}]}]}},
            {"tree": {"children": [{"word": MASK, "children": [{"word": MASK}]}]}},
        ),
        ({"more": {"token": "t", "n": 1}}, {"more": {"token": MASK, "n": 1}}),
        ({"login": "not what the schema says"}, {"login": "not what the schema says"}),
    ],
)
def test_what_the_schema_marks_is_masked(payload: dict[str, Any], shown: dict[str, Any]) -> None:
    assert mask_payload(payload, SCHEMA) == shown


def test_a_payload_without_a_schema_is_masked_by_names() -> None:
    assert mask_payload({"pin": "1234", "password": "x"}, None) == {"pin": "1234", "password": MASK}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"}, {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        {"$ref": "#/nowhere/3"}, {"$ref": "https://example.org/other"}, {"allOf": [True, {"anyOf": [False]}]},
        {"properties": {"a": True}}, {"items": False}, {"if": {}, "then": True},
    ],
)  # fmt: skip
def test_any_schema_will_do(schema: dict[str, Any]) -> None:
    assert mask_payload({"a": [1], "b": {"a": None}}, schema) == {"a": [1], "b": {"a": None}}


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        ({"properties": {"a": {"writeOnly": True}}}, {"a": MASK, "x-1": "2"}),
        ({"patternProperties": {"^x-": {"format": "password"}}}, {"a": "1", "x-1": MASK}),
        ({"allOf": [{"properties": {"a": {"secret": True}}}]}, {"a": MASK, "x-1": "2"}),
        ({"properties": {"a": {}}, "additionalProperties": {"secret": True}}, {"a": "1", "x-1": MASK}),
        ({"properties": {"a": {"$ref": "#/$defs/p~1q"}}, "$defs": {"p/q": {"secret": True}}}, {"a": MASK, "x-1": "2"}),
        ({"writeOnly": True}, MASK),
    ],
)
def test_where_a_schema_may_say_it(schema: dict[str, Any], shown: Any) -> None:
    assert mask_payload({"a": "1", "x-1": "2"}, schema) == shown
