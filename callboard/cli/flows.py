"""``callboard flows``: see and steer jobs that depend on jobs."""

from __future__ import annotations

import sys
from collections import Counter

import click
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from callboard.cli.common import counted, json_option, opened, print_json, printable
from callboard.flows.tree import FlowNode

queue_argument = click.argument("queue")
id_argument = click.argument("id")

_STYLES = {"failed": "bold red", "cancelled": "yellow", "completed": "green", "active": "bold cyan"}


@click.group()
def flows() -> None:
    """See and steer flows: show, cancel, retry, remove. A flow is named by any of its jobs."""


@flows.command(short_help="Show a flow as a tree.")
@queue_argument
@id_argument
@click.option("--limit", type=click.IntRange(1, 100_000), default=200, show_default=True, help="Jobs at most.")
@json_option
def show(queue: str, id: str, limit: int, as_json: bool) -> None:
    """Show the flow that a job belongs to: its last job, and below each job those that it waits for."""
    with opened() as service:
        node = service.get_flow(queue, id, limit)
    if as_json:
        print_json(node)
        return
    states = Counter(each.state for each in node.walk())
    # Off a terminal lines are as long as they have to be.
    out = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    out.print(_tree(node, Tree(_line(node)), set()))
    counts = ", ".join(f"{n} {state}" for state, n in states.items())
    out.print(Text(f"{counted(states.total(), 'job')}: {counts}", style="dim"))


def _tree(node: FlowNode, tree: Tree, shown: set[tuple[str, str]]) -> Tree:
    """``tree`` with what ``node`` waits for. What several wait for is unfolded once."""
    for child in node.children:
        branch = tree.add(_line(child))
        if (child.queue, child.id) not in shown:
            shown.add((child.queue, child.id))
            _tree(child, branch, shown)
    if node.more:
        tree.add(Text(f"… {node.more:,} more", style="dim"))
    return tree


def _line(node: FlowNode) -> Text:
    where = f"  {node.queue}/{node.id}  {printable(node.actor)}"
    line = Text.assemble((node.state, _STYLES.get(node.state, "")), where)
    if node.if_fails != "fail":
        line.append(f"  (if it fails: {node.if_fails})", style="dim")
    return line


@flows.command(short_help="Cancel a whole flow.")
@queue_argument
@id_argument
@click.option("--reason", default="", help="Kept with the jobs.")
@json_option
def cancel(queue: str, id: str, reason: str, as_json: bool) -> None:
    """Cancel every job of a flow that has not ended; running ones are interrupted within a second."""
    with opened() as service:
        _say(service.cancel_flow(queue, id, reason), "cancelled", as_json)


@flows.command(short_help="Let what failed in a flow run again.")
@queue_argument
@id_argument
@click.option("--reset-attempts", is_flag=True, help="Attempts begin anew instead of getting one more.")
@json_option
def retry(queue: str, id: str, reset_attempts: bool, as_json: bool) -> None:
    """Let every failed and cancelled job of a flow run again, each after those that it waits for."""
    with opened() as service:
        _say(service.retry_flow(queue, id, reset_attempts=reset_attempts), "retried", as_json)


@flows.command(short_help="Remove a whole flow.")
@queue_argument
@id_argument
@click.option("--force", is_flag=True, help="Cancel active jobs first, instead of refusing.")
@json_option
def remove(queue: str, id: str, force: bool, as_json: bool) -> None:
    """Remove every job of a flow and all that is kept about them."""
    with opened() as service:
        _say(service.remove_flow(queue, id, force=force), "removed", as_json)


def _say(n: int, done: str, as_json: bool) -> None:
    if as_json:
        print_json({done: n})
    else:
        click.echo(f"{counted(n, 'job')} {done}")
