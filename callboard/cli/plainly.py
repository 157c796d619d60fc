"""One clear line instead of a traceback for what Callboard itself refuses, in every command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from callboard.errors import CallboardError
from callboard.settings import Settings


@contextmanager
def plainly() -> Iterator[None]:
    """What Callboard refuses within ends in ``Error: …`` and exit code 1.

    Raises: ClickException.
    """
    try:
        yield
    except CallboardError as error:
        raise click.ClickException(str(error)) from error
    except SettingsError as error:
        raise click.ClickException(f"{error} (is it valid JSON?)") from error
    except ValidationError as error:
        if error.title != "Settings":
            raise
        raise click.ClickException(_settings_line(error)) from error


def _settings_line(error: ValidationError) -> str:
    """The first thing that is wrong with the settings, by the name of its environment variable."""
    first = error.errors(include_url=False)[0]
    name, *rest = [str(part) for part in first["loc"]] or ["queues"]
    if name not in Settings.model_fields:  # inside a queue that CALLBOARD_QUEUES describes
        name, rest = "queues", [name, *rest]
    variable = name.upper() if name.startswith("redis_") else f"CALLBOARD_{name.upper()}"
    return ": ".join([variable, *([".".join(rest)] if rest else []), first["msg"].removeprefix("Value error, ")])
