"""Pages of documentation, read as the tests of them need: headings, blocks of code, command lines, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click

from callboard.catalogue import default_queues
from callboard.cli.main import main

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")


def text_of(path: str) -> str:
    """The page at ``path``, from the root of the source tree."""
    return (ROOT / path).read_text(encoding="utf-8")


def sections(text: str, level: int) -> list[tuple[str, str]]:
    """(heading, what is below it) of every heading of ``level``, up to the next of the same level."""
    parts = re.split(rf"^{'#' * level} (.+)$", text, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of code in ``language``."""
    return [code for of, code in _FENCE.findall(text) if of == language]


def anchors(text: str) -> set[str]:
    """What links to a page may end in, as GitHub makes it of headings."""
    plain = _FENCE.sub("", text)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(plain)}


def dead_links(path: str) -> Iterator[str]:
    """Links of a page within the source tree that lead nowhere."""
    for link in _LINK.findall(_FENCE.sub("", text_of(path))):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (ROOT / path).parent / target if target else ROOT / path
        if not file.exists():
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
            yield f"{link}: no such heading"


def parsed(arguments: list[str]) -> None:
    """Parse the arguments of a command line of ``callboard``, down to the last option. ``$QUEUE`` stands for a queue.

    Raises: click.UsageError when there is no such command or option; AssertionError for a queue that is not there.
    """
    command: click.Command = main
    context = click.Context(main, info_name="callboard")
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        name, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command, context = found, click.Context(found, info_name=name, parent=context)
    given = command.make_context(context.info_name, list(arguments), parent=context.parent).params
    if "everything" in given:
        assert bool(given["ids"]) != given["everything"], "either ids or --all"
    queues = {*([given["queue"]] if given.get("queue") else ()), *given.get("queues", ())}
    assert queues <= {"$QUEUE", *default_queues()}
