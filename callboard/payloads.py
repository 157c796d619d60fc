"""What actors take: a Pydantic model an actor, published to producers as JSON Schema.

``@dramatiq.actor(payload=Model)`` declares it; the actor's function then gets one argument, an instance of the model.
A payload is checked twice. At the door, by the model where the actor is imported and by its published schema where it
is not, so that bad input is refused with the field and the reason and nothing is added. And in the worker, which may be
newer than the producer: what no longer fits there fails for good.

A payload has the version that its actor had when it was added (the option ``payload_version``; 1 is not stored). An
older one passes ``upgrade(payload, version)`` before it is checked; a newer one waits for a worker that knows it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jsonschema_rs
from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic_core import to_json

from callboard.errors import Deferred, InvalidOption, PayloadInvalid, PayloadUnfit, PermanentError
from callboard.schemas import FORMATS, assertable, told

#: Given an older payload and its version, the payload as it is now.
Upgrade = Callable[[dict[str, Any], int], dict[str, Any]]

#: The job's option that says in which version its payload was written.
VERSION_OPTION = "payload_version"

#: Options of actors that are about their payload.
ACTOR_OPTIONS = frozenset({"payload", VERSION_OPTION, "upgrade"})

#: Names of fields are spelled out; a key that looks like none may be a value, such as an address.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")

#: Faults that are spelled out; more are counted.
_SHOWN = 5

#: How long a payload that is newer than its worker waits for another one (seconds).
_NEWER_WAITS_S = 15.0

#: How the reason of such a deferral ends.
WAITS_FOR_NEWER = "it waits for a newer worker"


class Checker(Protocol):
    """What the door asks about a payload."""

    @property
    def version(self) -> int:
        """The version that payloads are written in."""

    def check(self, args: Sequence[Any], payload: Mapping[str, Any]) -> None:
        """Raises: PayloadInvalid, naming fields and reasons."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What an actor takes, where its model is at hand."""

    actor: str
    model: type[BaseModel]
    version: int = 1
    upgrade: Upgrade | None = None
    _as_model: Callable[[Any], BaseModel] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_as_model", _reading(self.model))

    def check(self, args: Sequence[Any], payload: Mapping[str, Any]) -> None:
        """Check a payload of the present version.

        Raises: PayloadInvalid, naming fields and reasons.
        """
        try:
            _refuse_positional(self.actor, args)
            self._as_model(payload)
        except PayloadInvalid:
            raise
        except ValidationError as error:
            raise PayloadInvalid(f"the payload does not fit {self.actor!r}: {_told(_model_faults(error))}") from None
        except Exception as error:
            raise PayloadInvalid(f"the payload for {self.actor!r} cannot be checked: {type(error).__name__}") from error

    def read(self, args: Sequence[Any], payload: dict[str, Any], version: int) -> BaseModel:
        """A stored payload as the model.

        Raises: PayloadUnfit when it does not fit any more; Deferred when it is newer than this contract.
        """
        if version > self.version:
            raise Deferred(
                _NEWER_WAITS_S,
                f"the payload has version {version}, this worker knows {self.version}: {WAITS_FOR_NEWER}",
            )
        if version < self.version and self.upgrade is not None:
            try:
                payload = self.upgrade(payload, version)
            except Exception as error:
                raise PayloadUnfit(
                    f"the payload of version {version} cannot be upgraded to {self.version}: "
                    f"{type(error).__name__}: {error}"
                ) from error
        try:
            _refuse_positional(self.actor, args)
            return self._as_model(payload)
        except ValidationError as error:
            raise PayloadUnfit(f"the payload does not fit {self.actor!r}: {_told(_model_faults(error))}") from None
        except PayloadInvalid as error:
            raise PayloadUnfit(str(error)) from None
        except (Deferred, PermanentError):
            raise
        except Exception as error:
            raise PayloadUnfit(f"the payload for {self.actor!r} cannot be checked: {type(error).__name__}") from error

    def published(self) -> dict[str, Any]:
        """What producers are told: ``{"schema": JSON Schema, "payload_version": n}``."""
        return {"schema": told(self.model.model_json_schema()), VERSION_OPTION: self.version}


def contract_of(actor: str, options: Mapping[str, Any]) -> Contract | None:
    """The contract that an actor's options declare; None when it declares none.

    Raises: InvalidOption when they do not fit together, or the model has no JSON Schema.
    """
    model, version, upgrade = options.get("payload"), options.get(VERSION_OPTION, 1), options.get("upgrade")
    if model is None:
        if version != 1 or upgrade is not None:
            raise InvalidOption(f"{actor}: payload_version and upgrade need a model: payload=…")
        return None
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise InvalidOption(f"{actor}: payload={model!r} is not a Pydantic model class")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidOption(f"{actor}: payload_version {version!r} is not an integer of at least 1")
    if upgrade is not None and not callable(upgrade):
        raise InvalidOption(f"{actor}: upgrade is not a function of (payload, version)")
    try:
        model.model_rebuild()
        contract = Contract(actor, model, version, upgrade)
        contract.published()
    except (PydanticInvalidForJsonSchema, PydanticUserError) as error:
        raise InvalidOption(f"{actor}: producers cannot be told what {model.__name__} takes: {error}") from error
    return contract


def taking(
    fn: Callable[..., Any], contract: Contract, version_of_running: Callable[[str], int | None]
) -> Callable[..., Any]:
    """``fn``, which takes a model, as a function of the payload's fields. Called directly, it takes a model as well.

    ``version_of_running``, given the actor, says in which version its payload is when the call is a job's start; None
    when it is a plain call, whose caller knows the present version.
    """

    @functools.wraps(fn)
    def taken(*args: Any, **payload: Any) -> Any:
        if len(args) == 1 and not payload and isinstance(args[0], contract.model):
            return fn(args[0])
        version = version_of_running(contract.actor)
        return fn(contract.read(args, payload, contract.version if version is None else version))

    return taken


def _reading(model: type[BaseModel]) -> Callable[[Any], BaseModel]:
    """How a payload becomes the model. Where Pydantic reads JSON otherwise than Python values (a strict model takes a
    time as text from JSON alone), the payload is JSON again first, at a few µs; others are spared that."""
    if _tells_json_apart(model.__pydantic_core_schema__):
        return lambda payload: model.model_validate_json(to_json(payload))
    return model.model_validate


def _tells_json_apart(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        if schema.get("strict") is True or schema.get("val_json_bytes", "utf8") != "utf8":
            return True
        return any(_tells_json_apart(each) for word, each in schema.items() if word != "metadata")
    return isinstance(schema, list | tuple) and any(map(_tells_json_apart, schema))


class PublishedSchema:
    """What an actor takes, where only its published schema is at hand."""

    def __init__(self, actor: str, schema: dict[str, Any], version: int) -> None:
        """Raises: ValueError when the schema is none."""
        self.actor = actor
        self.version = version
        # Values stay out of the messages: they are people's data.
        self._validator = jsonschema_rs.validator_for(
            assertable(schema), validate_formats=True, formats=FORMATS, mask="it", offline=True
        )

    def check(self, args: Sequence[Any], payload: Mapping[str, Any]) -> None:
        """Check a payload.

        Raises: PayloadInvalid, naming fields and reasons.
        """
        _refuse_positional(self.actor, args)
        try:
            if self._validator.is_valid(payload):
                return
            faults = list(_schema_faults(self._validator.iter_errors(payload)))
        except ValueError as error:
            raise PayloadInvalid(f"the payload for {self.actor!r} is not JSON: {error}") from error
        raise PayloadInvalid(f"the payload does not fit {self.actor!r}: {_told(faults)}")


def schema_key(published: Mapping[str, Any]) -> str:
    """What tells two published schemas apart, to keep compiled ones."""
    return json.dumps([published.get("schema"), published.get(VERSION_OPTION)], sort_keys=True)


def _refuse_positional(actor: str, args: Sequence[Any]) -> None:
    if args:
        raise PayloadInvalid(f"{actor!r} takes named values: give its payload as keyword arguments")


def _model_faults(error: ValidationError) -> list[tuple[str, str]]:
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    return [(_path(fault["loc"]), fault["msg"].removeprefix("Value error, ")) for fault in faults]


def _schema_faults(errors: Iterable[jsonschema_rs.ValidationError]) -> Iterable[tuple[str, str]]:
    for error in errors:
        path = _path(error.instance_path)
        if branches := getattr(error.kind, "context", None):
            yield from _schema_faults(_best_branch(error, branches))
        elif unexpected := getattr(error.kind, "unexpected", None):
            for key in unexpected:
                yield ".".join(part for part in (path, _shown(key)) if part), "there is no such field"
        elif error.kind.name == "propertyNames":
            yield path, "it has a key that is not allowed"
        else:
            yield path, error.message


def _best_branch(
    error: jsonschema_rs.ValidationError, branches: Sequence[Sequence[jsonschema_rs.ValidationError]]
) -> Sequence[jsonschema_rs.ValidationError]:
    """Of "this or null", "one or a list": the branch for values of this type, or else the first that is not null's."""

    def about_type(branch: Sequence[jsonschema_rs.ValidationError]) -> bool:
        return any(fault.kind.name == "type" and fault.instance_path == error.instance_path for fault in branch)

    def about_null(branch: Sequence[jsonschema_rs.ValidationError]) -> bool:
        return any(fault.message.endswith('of type "null"') for fault in branch)

    return min(branches, key=lambda branch: (about_type(branch), about_null(branch)))


def _path(parts: Iterable[str | int]) -> str:
    return ".".join(_shown(part) for part in parts)


def _shown(part: str | int) -> str:
    return str(part) if isinstance(part, int) or _NAME.fullmatch(part) else "(a key that is no name)"


def _told(faults: Sequence[tuple[str, str]]) -> str:
    shown = [f"{field}: {reason}" if field else reason for field, reason in faults[:_SHOWN]]
    if more := len(faults) - len(shown):
        shown.append(f"and {more} more")
    return "; ".join(shown)
