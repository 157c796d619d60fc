"""One clear line instead of a traceback for what Callboard itself refuses, in every command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from pydantic import ValidationError

from callboard.cli.environment import place_of, variable_of
from callboard.errors import CallboardError, StoreUnavailable
from callboard.settings import Settings


class SettingRefused(click.ClickException):
    """A setting does not fit: like a command line that does not, it ends a command with exit code 2."""

    exit_code = 2


@contextmanager
def plainly() -> Iterator[None]:
    """What Callboard refuses within ends in ``Error: …`` and exit code 1, or 2 when a setting does not fit.

    Raises: ClickException.
    """
    try:
        yield
    except StoreUnavailable as error:
        said, where = str(error).rstrip("."), place_of(Settings())
        looked = "" if where in said else f" (looked at {where})"
        raise click.ClickException(f"{said}{looked}. Set REDIS_URL, or start one with `callboard up`") from error
    except CallboardError as error:
        raise click.ClickException(str(error)) from error
    except ValidationError as error:
        if error.title != "Settings":
            raise
        raise SettingRefused(_settings_line(error)) from error


def _settings_line(error: ValidationError) -> str:
    """The first thing that is wrong with the settings, by the name of its environment variable."""
    first = error.errors(include_url=False, include_input=False)[0]
    name, *rest = [str(part) for part in first["loc"]] or ["queues"]  # what is about no one field is about the queues
    parts = [variable_of(name), ".".join(rest), first["msg"].removeprefix("Value error, ")]
    return ": ".join(part for part in parts if part)
