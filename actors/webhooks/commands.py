"""``python -m actors.webhooks``: endpoints registered and looked after by an operator, and events published.

A signing secret is printed when it is made, by ``create`` and ``rotate-secret``, and never again. A list shows the
hosts of URLs and no more of them: a URL may hold a key.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.webhooks.endpoints import Endpoint
from actors.webhooks.publishing import publish_event
from actors.webhooks.registry import GRACE_S, MAX_PAGE, EndpointRegistry
from actors.webhooks.settings import load_webhook_settings
from callboard.cli.common import json_option, opened, print_json, printable, when
from callboard.cli.plainly import plainly
from callboard.errors import PermanentError
from callboard.service import QueueService

#: Into a pipe goes the whole table, whatever the width of a terminal would be.
_PIPE_WIDTH = 200


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What Callboard itself refuses ends in ``Error: …`` and exit code 1."""
        with plainly():
            return super().invoke(ctx)


@contextmanager
def _registry() -> Iterator[tuple[QueueService, EndpointRegistry]]:
    """The Queue service and the endpoints of this terminal's settings."""
    try:
        settings = load_webhook_settings()
    except PermanentError as error:
        raise click.ClickException(str(error)) from error
    with opened() as service:
        yield service, EndpointRegistry(service.store, settings)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Webhook endpoints: who gets which events, and an event for all of them.

    The same settings as the workers' say where Redis is (REDIS_URL) and which URLs are allowed (CALLBOARD_WEBHOOK_*).
    """


@main.group()
def endpoints() -> None:
    """See, register and change endpoints."""


@endpoints.command("list")
@click.option("--workspace", help="Only those of this workspace.")
@json_option
def list_(workspace: str | None, as_json: bool) -> None:
    """Show endpoints, oldest first within a workspace."""
    with _registry() as (_, registry):
        found = list(_every(registry, workspace))
    if as_json:
        print_json([_summary(each) for each in found])
    elif found:
        console = Console() if sys.stdout.isatty() else Console(width=_PIPE_WIDTH)
        console.print(_table(found))


def _every(registry: EndpointRegistry, workspace: str | None) -> Iterator[Endpoint]:
    cursor = None
    while True:
        page = registry.list(workspace=workspace, limit=MAX_PAGE, cursor=cursor)
        yield from page.endpoints
        cursor = page.cursor
        if cursor is None:
            return


@endpoints.command()
@click.argument("url")
@click.option("--event", "events", multiple=True, required=True, help="post.published, post.* or *; repeatable.")
@click.option("--workspace", default="", help="Whose events it gets.")
@click.option("--description", default="", help="For people.")
@json_option
def create(url: str, events: tuple[str, ...], workspace: str, description: str, as_json: bool) -> None:
    """Register an endpoint; prints its signing secret, this once."""
    with _registry() as (_, registry):
        endpoint = registry.create(url, events, workspace=workspace, description=description)
    _print_with_secret(endpoint, as_json)


@endpoints.command()
@click.argument("endpoint_id", metavar="ENDPOINT")
@json_option
def show(endpoint_id: str, as_json: bool) -> None:
    """Show everything about an endpoint but its secrets."""
    with _registry() as (_, registry):
        endpoint = registry.get(endpoint_id)
    if as_json:
        print_json(_whole(endpoint))
        return
    for name, value in _facts(endpoint).items():
        if value:
            click.echo(printable(f"{name:<13} {value}"))


@endpoints.command()
@click.argument("endpoint_id", metavar="ENDPOINT")
@click.option("--reason", required=True, help="Shown wherever the endpoint is, and in deliveries that fail for it.")
@click.option("--by", default=lambda: os.environ.get("USER") or "operator", help="Who does it [default: $USER].")
@json_option
def disable(endpoint_id: str, reason: str, by: str, as_json: bool) -> None:
    """Send an endpoint no events; deliveries that wait for it fail."""
    with _registry() as (_, registry):
        changed = registry.disable(endpoint_id, reason, by=by)
    said = f"{endpoint_id} is disabled" if changed else f"{endpoint_id} was disabled already"
    _say({"changed": changed}, said, as_json)


@endpoints.command()
@click.argument("endpoint_id", metavar="ENDPOINT")
@json_option
def enable(endpoint_id: str, as_json: bool) -> None:
    """Send an endpoint events again."""
    with _registry() as (_, registry):
        changed = registry.enable(endpoint_id)
    said = f"{endpoint_id} is enabled" if changed else f"{endpoint_id} was not disabled"
    _say({"changed": changed}, said, as_json)


@endpoints.command("rotate-secret")
@click.argument("endpoint_id", metavar="ENDPOINT")
@click.option(
    "--grace", type=float, default=GRACE_S, show_default=True,
    help="Seconds in which the older secrets sign as well; 0 after a leak.",
)  # fmt: skip
@json_option
def rotate_secret(endpoint_id: str, grace: float, as_json: bool) -> None:
    """Give an endpoint a new signing secret; prints it, this once."""
    with _registry() as (_, registry):
        endpoint = registry.rotate_secret(endpoint_id, grace_s=grace)
    _print_with_secret(endpoint, as_json)


@endpoints.command()
@click.argument("endpoint_id", metavar="ENDPOINT")
@json_option
def delete(endpoint_id: str, as_json: bool) -> None:
    """Remove an endpoint and all that is kept about it; deliveries that wait for it fail."""
    with _registry() as (_, registry):
        registry.delete(endpoint_id)
    _say({"deleted": endpoint_id}, f"{endpoint_id} is deleted", as_json)


@main.command()
@click.argument("event")
@click.option("--data", required=True, help="JSON object: what the event is about; - reads it from standard input.")
@click.option("--workspace", default="", help="Whose endpoints get it.")
@click.option("--event-id", help="An id of your own: a repeat with it adds nothing.")
@json_option
def publish(event: str, data: str, workspace: str, event_id: str | None, as_json: bool) -> None:
    """Add a delivery of an event for every enabled endpoint of a workspace that wants it."""
    with _registry() as (service, registry):
        added = publish_event(service, registry, event, _object(data), workspace=workspace, event_id=event_id)
    if as_json:
        print_json(added)
        return
    for each in added:
        click.echo(f"{each.id}: {each.status}")
    click.echo(f"{len(added)} endpoints want {event}", err=True)


def _object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(sys.stdin.read() if text == "-" else text)
    except ValueError:
        data = None
    if not isinstance(data, dict):
        raise click.BadParameter("must be a JSON object", param_hint="--data")
    return data


def _say(answer: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(text)


def _print_with_secret(endpoint: Endpoint, as_json: bool) -> None:
    secret = endpoint.secrets[0].value.get_secret_value()
    if as_json:
        print_json({**_whole(endpoint), "secret": secret})
    else:
        click.echo(f"endpoint {endpoint.id}\nsecret   {secret}")
        click.echo("Keep the secret now: it is not shown again.", err=True)


def _summary(endpoint: Endpoint) -> dict[str, Any]:
    """What a list says of an endpoint."""
    return {
        "id": endpoint.id, "workspace": endpoint.workspace, "host": endpoint.host, "events": list(endpoint.events),
        "description": endpoint.description, "enabled": endpoint.enabled,
        "disabled": None if endpoint.disabled is None else dataclasses.asdict(endpoint.disabled),
        "created_ms": endpoint.created_ms, "failing_since_ms": endpoint.failing_since_ms,
        "last_success_ms": endpoint.last_success_ms, "last_failure_ms": endpoint.last_failure_ms,
        "last_failure": endpoint.last_failure,
    }  # fmt: skip


def _whole(endpoint: Endpoint) -> dict[str, Any]:
    """Everything but the secrets themselves."""
    secrets = [{"since_ms": each.since_ms, "until_ms": each.until_ms} for each in endpoint.secrets]
    return {**_summary(endpoint), "url": endpoint.url, "secrets": secrets}


def _facts(endpoint: Endpoint) -> dict[str, str]:
    off = endpoint.disabled
    failed = endpoint.last_failure_ms
    return {
        "endpoint": endpoint.id, "workspace": endpoint.workspace, "url": endpoint.url,
        "events": ", ".join(endpoint.events), "description": endpoint.description,
        "created": when(endpoint.created_ms),
        "disabled": "" if off is None else f"{when(off.at_ms)} by {off.by}: {off.reason}",
        "failing since": when(endpoint.failing_since_ms or 0),
        "last success": when(endpoint.last_success_ms or 0),
        "last failure": "" if failed is None else f"{when(failed)}: {endpoint.last_failure}",
        "secrets": "; ".join(
            f"since {when(each.since_ms)}" + (f" until {when(each.until_ms)}" if each.until_ms else "")
            for each in endpoint.secrets
        ),
    }  # fmt: skip


def _table(found: list[Endpoint]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("endpoint", no_wrap=True)
    for name in ("workspace", "host", "events", "state"):
        table.add_column(name)
    for each in found:
        state = "enabled" if each.disabled is None else f"disabled by {each.disabled.by}: {each.disabled.reason}"
        if each.enabled and each.failing_since_ms:
            state = f"failing since {when(each.failing_since_ms)}"
        cells = (each.id, each.workspace, each.host, ", ".join(each.events), state)
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table
