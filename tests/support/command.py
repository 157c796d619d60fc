"""The command line in tests, as an operator types it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from click.testing import CliRunner, Result

from callboard.cli.main import main
from callboard.settings import Settings

#: Calls the CLI.
Call = Callable[..., Result]


def caller(settings: Settings, queues: Mapping[str, Any], *first: str) -> Call:
    """What calls ``callboard`` for the deployment of ``settings``, whose catalogue is ``queues``; ``first``: words that
    every call begins with."""
    env = {
        "REDIS_URL": settings.url, "CALLBOARD_PREFIX": settings.prefix, "CALLBOARD_QUEUES": json.dumps(queues),
        "CALLBOARD_ONLY_QUEUES": "1", "USER": "ada", "TZ": "UTC",
    }  # fmt: skip

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(main, [*first, *arguments], env=env)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


def ok(result: Result) -> str:
    """What a call that went well printed."""
    assert result.exit_code == 0, result.output
    return result.stdout


def read(result: Result) -> Any:
    """The JSON that a call that went well printed."""
    return json.loads(ok(result))
