"""``callboard schedules``: see and steer recurring jobs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from callboard.cli.common import counted, json_option, moment, opened, print_json, printable, when, whoami
from callboard.cli.schedules_shown import print_schedule, print_schedules
from callboard.schedules.definition import define
from callboard.schedules.operations import MAX_PAGE, MAX_PREVIEW
from callboard.schedules.state import flat

id_argument = click.argument("id")


@click.group()
def schedules() -> None:
    """See and steer recurring jobs: list, show, add, pause, resume, run, delete, preview."""


@schedules.command("list", short_help="List schedules and when each ticks next.")
@click.option("--queue", help="Only schedules of this queue.")
@click.option(
    "--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True, help="Schedules at most."
)  # fmt: skip
@click.option("--cursor", help="Go on where a page ended, with what it printed.")
@json_option
def list_(queue: str | None, limit: int, cursor: str | None, as_json: bool) -> None:
    """List schedules in the order of their ids, and when each ticks next."""
    with opened() as service:
        page = service.get_schedules(queue, limit, cursor)
        rows = [flat(service.masked_schedule(each)) for each in page.schedules] if as_json else []
    if as_json:
        print_json({"schedules": rows, "total": page.total, "cursor": page.cursor})
    else:
        print_schedules(page)


@schedules.command(short_help="Show everything about a schedule.")
@id_argument
@json_option
def show(id: str, as_json: bool) -> None:
    """Show everything about a schedule: what it adds and when, its last tick, counts, last error."""
    with opened() as service:
        schedule = service.masked_schedule(service.get_schedule(id))
    if as_json:
        print_json(flat(schedule))
    else:
        print_schedule(schedule)


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise click.BadParameter("not a JSON object")
    return value


def _when_options(command: Any) -> Any:
    """Options that say when a schedule ticks."""
    for option in reversed((
        click.option("--cron", help="Five fields, or a nickname such as @daily."),
        click.option("--every", type=float, metavar="SECONDS", help="Every so many whole seconds, instead of --cron."),
        click.option("--timezone", default="UTC", show_default=True, help="IANA name of the zone of --cron."),
        click.option("--start", type=moment, metavar="TIME", help="No tick before this; --every counts from it."),
        click.option("--end", type=moment, metavar="TIME", help="No tick after this."),
    )):  # fmt: skip
        command = option(command)
    return command


@schedules.command(short_help="Add a schedule, or change the one of its id.")
@click.argument("queue")
@click.argument("actor")
@click.option("--id", help="Its id [default: one that follows from what it is].")
@_when_options
@click.option("--aligned", is_flag=True, help="--every goes by the epoch's multiples, although there is a --start.")
@click.option("--payload", type=_object, metavar="JSON", help="The jobs' payload, an object.")
@click.option("--options", type=_object, metavar="JSON", help="The jobs' options, an object: priority, workspace …")
@click.option("--jitter", type=float, default=0.0, show_default=True, help="Up to so many seconds are added to a tick.")
@click.option("--limit", type=click.IntRange(1), help="Jobs in all.")
@click.option(
    "--catch-up", type=click.Choice(("none", "one", "all")), default="none", show_default=True,
    help="Which missed ticks are made up for.",
)  # fmt: skip
@click.option(
    "--overlap", type=click.Choice(("allow", "skip", "queue")), default="allow", show_default=True,
    help="When the previous job has not ended.",
)  # fmt: skip
@json_option
def add(queue: str, actor: str, aligned: bool, as_json: bool, **given: Any) -> None:
    """Add a schedule, or change the one of its id: it ticks by the new definition from now on."""
    options = given.pop("options") or {}
    with opened() as service:
        schedule = service.add_repeating_job(
            queue, actor, given.pop("payload"), aligned=True if aligned else None, **given, **options
        )
        shown = service.masked_schedule(schedule)
    if as_json:
        print_json(flat(shown))
    else:
        click.echo(f"{schedule.id}: {printable(schedule.definition.when)}, next at {when(schedule.next_ms)}")


@schedules.command(short_help="Tick no more until it is resumed.")
@id_argument
@click.option("--reason", default="", help="Shown wherever the schedule is.")
@click.option("--by", default=whoami, help="Who pauses it [default: you].")
@json_option
def pause(id: str, reason: str, by: str, as_json: bool) -> None:
    """Tick no more until it is resumed; the jobs that it has made go on."""
    with opened() as service:
        changed = service.pause_schedule(id, reason, by)
    _say({"changed": changed}, f"{id} is paused" if changed else f"{id} was paused already", as_json)


@schedules.command(short_help="Tick again from now on.")
@id_argument
@json_option
def resume(id: str, as_json: bool) -> None:
    """Tick again from now on; what came due meanwhile is not made up for."""
    with opened() as service:
        changed = service.resume_schedule(id)
    _say({"changed": changed}, f"{id} is resumed" if changed else f"{id} was not paused", as_json)


@schedules.command(short_help="Add a job of a schedule at once.")
@id_argument
@json_option
def run(id: str, as_json: bool) -> None:
    """Add a job of a schedule at once, paused or not; the schedule goes on as if nothing had been."""
    with opened() as service:
        job = service.run_schedule_now(id)
    _say({"job": job}, f"{id}: job {job} was added", as_json)


@schedules.command(short_help="Remove schedules; their jobs stay.")
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@json_option
def delete(ids: tuple[str, ...], as_json: bool) -> None:
    """Remove schedules; their jobs stay. One that an actor declares comes back with the next worker: pause it."""
    with opened() as service:
        for each in ids:
            service.delete_schedule(each)
    _say({"deleted": list(ids)}, f"{counted(len(ids), 'schedule')} deleted", as_json)


@schedules.command(short_help="Show the next ticks of a schedule, or of one that is not there yet.")
@click.argument("id", required=False)
@_when_options
@click.option("--count", type=click.IntRange(1, MAX_PREVIEW), default=10, show_default=True, help="Ticks at most.")
@json_option
def preview(id: str | None, count: int, as_json: bool, **given: Any) -> None:
    """Show the next ticks of a schedule; or, with --cron or --every, of one that is not there yet."""
    if (id is None) == (given["cron"] is None and given["every"] is None):
        raise click.UsageError("give either the id of a schedule, or --cron or --every")
    with opened() as service:
        found = service.preview_schedule(define("-", "-", id="-", **given) if id is None else id, count)
    if as_json:
        print_json([at.isoformat() for at in found])
    else:
        for at in found:
            click.echo(_shown(at))


def _shown(at: datetime) -> str:
    return f"{at:%a} {at.isoformat(' ')} {at.tzname()}"


def _say(answer: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(text)
