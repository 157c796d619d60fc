"""Settings of a deployment, read from the environment once and passed on explicitly."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from callboard.catalogue import Catalogue, QueueSpec, Thresholds, default_queues
from callboard.store.address import parse_address
from callboard.suggest import did_you_mean


class Settings(BaseSettings):
    """What the engine can be told. Every field is an environment variable (docs/reference/settings.md).

    Raises: pydantic.ValidationError, naming the variable, when a value does not fit.
    """

    # An error of the whole would show its input, passwords included.
    model_config = SettingsConfigDict(
        env_prefix="CALLBOARD_", extra="ignore", frozen=True, populate_by_name=True, hide_input_in_errors=True
    )

    redis_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("redis_url", "REDIS_URL"),
        description="redis://, rediss://, redis+sentinel://host:port,…/service or redis+cluster://host:port",
    )
    redis_host: str = Field("127.0.0.1", validation_alias=AliasChoices("redis_host", "REDIS_HOST"))
    redis_port: int = Field(6379, validation_alias=AliasChoices("redis_port", "REDIS_PORT"), ge=1, le=65535)
    redis_password: SecretStr | None = Field(None, validation_alias=AliasChoices("redis_password", "REDIS_PASSWORD"))
    prefix: str = Field("callboard", pattern=r"^[A-Za-z0-9._-]{1,32}$", description="first part of every Redis key")
    # NoDecode here and below: `_from_json` reads it, and says why it could not.
    queues: Annotated[dict[str, dict[str, Any]], NoDecode] = Field(
        default_factory=dict,
        description="JSON: changes to queues of the catalogue, or new ones, by name; null values are not allowed",
    )
    only_queues: bool = Field(False, description="the catalogue is CALLBOARD_QUEUES alone, without the default ten")
    add_timeout_s: float = Field(5.0, gt=0, description="how long an add waits for Redis before it raises")
    connect_timeout_s: float = Field(2.0, gt=0)
    socket_timeout_s: float = Field(5.0, gt=0, description="how long one call waits for its reply")
    beat_ms: int = Field(500, ge=50, le=10_000, description="every worker process calls at least this often")
    sweep_ms: int = Field(5_000, ge=100, le=15_000, description="how often expired leases are looked for")
    reserve_ms: int = Field(20, ge=0, le=1_000, description="work reserved ahead, as time at the recent rate; 0: none")
    reserve_hold_ms: int = Field(50, ge=1, le=10_000, description="what has not started after this goes back")
    events_max: int = Field(2_000, ge=10, description="entries kept in each queue's event stream (about)")
    attempts_kept: int = Field(20, ge=1, le=100, description="finished attempts kept with a job")
    traceback_max: int = Field(4_000, ge=0, description="characters of an attempt's traceback that are kept")
    result_max_bytes: int = Field(256 * 1024, ge=1, description="encoded size of one stored result")
    job_options: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="JSON list: options of jobs that middleware of your own reads, so that producers may give them"
    )
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="of a worker's lines on stderr; auto: console on a terminal, else JSON"
    )
    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field("info")
    attempt_log: bool = Field(True, description="one line a finished attempt, on stderr")
    max_jobs: int | None = Field(None, ge=1, description="attempts after which a worker process is started anew")
    max_memory_mb: int | None = Field(
        None, ge=1, description="resident size above which a worker process is started anew (MiB)"
    )
    metrics: bool = Field(True, description="worker processes count what they do and serve it to Prometheus")
    metrics_host: str = Field("127.0.0.1", description="address that the metrics of worker processes are served on")
    metrics_port: int = Field(
        9180, ge=0, le=65_535, description="the first worker process' port, others take the next free one; 0: any"
    )
    metrics_advertise: str | None = Field(
        None, description="host that Prometheus reaches this machine's worker processes by; not set: metrics_host"
    )
    exporter: Literal["ops", "worker"] = Field(
        "ops", description="who serves the state of the queues: the ops API, or each worker process beside its own"
    )
    gil_watchdog: bool = Field(True, description="end a process whose leases could not be renewed for four leases")
    schedules: bool = Field(True, description="this worker process declares and ticks schedules when it is its turn")
    canary: bool = Field(True, description="the platform's workers run a job on every queue each minute")

    @field_validator("redis_url", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value

    @field_validator("redis_url")
    @classmethod
    def _understood(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_address(value.get_secret_value())
        return value

    @field_validator("queues", "job_options", mode="before")
    @classmethod
    def _from_json(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"not JSON: {error}") from None

    @field_validator("log_format", "log_level", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _queues_fit(self) -> Settings:
        _ = self.catalogue
        return self

    @property
    def catalogue(self) -> Catalogue:
        """The default queues with the changes of ``queues`` applied."""
        specs: dict[str, QueueSpec] = {} if self.only_queues else default_queues()
        for name, changes in self.queues.items():
            base = specs[name].model_dump() if name in specs else {"name": name}
            try:
                specs[name] = QueueSpec.model_validate({**base, **changes, "name": name})
            except ValidationError as error:
                raise ValueError(f"queue {name!r}: {_first_of(error)}") from None
        if not specs:
            raise ValueError("the catalogue is empty: name at least one queue in CALLBOARD_QUEUES")
        return Catalogue(specs)

    @property
    def url(self) -> str:
        """The Redis URL in effect, password included: never log it."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        password = f":{quote(self.redis_password.get_secret_value(), safe='')}@" if self.redis_password else ""
        host = f"[{self.redis_host}]" if ":" in self.redis_host else self.redis_host
        return f"redis://{password}{host}:{self.redis_port}/0"


def _first_of(error: ValidationError) -> str:
    """The first thing that does not fit in the description of a queue; a field that there is not, with the nearest."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"{where}: {first['msg'].removeprefix('Value error, ')}"
    known = Thresholds.model_fields if len(first["loc"]) > 1 else QueueSpec.model_fields
    return f"no field {where!r}{did_you_mean(str(first['loc'][-1]), known)}"
