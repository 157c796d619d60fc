"""What commands that see and steer jobs share: the service, filters, progress, output."""

from __future__ import annotations

import dataclasses
import getpass
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import click
from rich.console import Console

from callboard.errors import InvalidOption, JobNotFound, WrongState
from callboard.service import QueueService
from callboard.verbs.bulk import JobFilter, Progress

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def whoami() -> str:
    """The name of who sits at this terminal, '' when the system has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        return ""


@contextmanager
def opened() -> Iterator[QueueService]:
    """The Queue service of this terminal's settings."""
    service = QueueService()
    try:
        yield service
    finally:
        service.close()


def moment(text: str) -> datetime:
    """A time in ISO 8601; local unless it has a zone.

    Raises: BadParameter when it is none.
    """
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is not a time in ISO 8601, such as 2030-01-31T12:00") from None


def filter_options(command: F) -> F:
    """Options that make a filter, see :func:`filter_of`."""
    for option in reversed((
        click.option("--actor", default="", help="Only jobs of this actor."),
        click.option("--workspace", default="", help="Only jobs of this workspace."),
        click.option("--tag", default="", help="Only jobs with this tag."),
        click.option("--text", default="", help="Only jobs with this text in payload, reason or error."),
        click.option("--added-after", type=moment, metavar="TIME", help="Only jobs added at this time or later."),
        click.option("--added-before", type=moment, metavar="TIME", help="Only jobs added at this time or earlier."),
    )):  # fmt: skip
        command = option(command)
    return command


def filter_of(given: dict[str, Any]) -> JobFilter:
    """The filter that options of :func:`filter_options` describe."""
    return JobFilter(**given)


def check_choice(ids: Sequence[str], everything: bool, given: dict[str, Any]) -> None:
    """Raise UsageError unless there are either ids or ``--all``, and filters only with ``--all``."""
    if bool(ids) == everything:
        raise click.UsageError("give either job ids or --all")
    if ids and any(given.values()):
        raise click.UsageError("filters and --state go with --all")


@contextmanager
def progress(doing: str) -> Iterator[Progress | None]:
    """What shows on a terminal, on standard error, how far a run over many jobs is; None elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    with console.status(f"{doing} …") as status:
        yield lambda changed, looked: status.update(f"{doing} … {changed:,} of {looked:,} looked at")


def one_by_one(ids: Sequence[str], verb: Callable[[str], str], words: dict[str, str], as_json: bool) -> None:
    """Use ``verb`` on each job, say a line each, and end with exit code 1 when one was refused.

    ``words`` says what an outcome of the verb means; JSON has the outcome itself.
    """
    rows: list[dict[str, str]] = []
    for job_id in ids:
        try:
            rows.append({"id": job_id, "outcome": verb(job_id)})
        except (JobNotFound, WrongState, InvalidOption) as error:
            rows.append({"id": job_id, "error": str(error)})
    if as_json:
        print_json(rows)
    for row in rows:
        if "error" in row:
            click.echo(f"Error: {printable(row['error'])}", err=True)
        elif not as_json:
            click.echo(f"{row['id']}: {words[row['outcome']]}")
    if any("error" in row for row in rows):
        sys.exit(1)


def print_json(value: Any) -> None:
    """Print ``value``; dataclasses as objects, and as text what JSON does not have."""

    def other(part: Any) -> Any:
        return dataclasses.asdict(part) if dataclasses.is_dataclass(part) and not isinstance(part, type) else str(part)

    click.echo(json.dumps(value, indent=2, default=other))


def counted(n: int, one: str, more: str = "") -> str:
    """``n`` with its noun: ``1 job``, ``2 jobs``; ``more`` when the plural takes more than an s."""
    return f"{n:,} {one if n == 1 else more or f'{one}s'}"


def printable(text: str) -> str:
    """``text`` without what a terminal would obey: payloads and errors come from anywhere."""
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in text)


def when(ms: int) -> str:
    """A time (ms since the epoch; 0: none) as this terminal's clock has it."""
    return datetime.fromtimestamp(ms / 1000).astimezone().isoformat(" ", "seconds") if ms else ""
