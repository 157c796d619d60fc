"""``callboard jobs``: see and steer jobs."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from callboard.cli.common import (
    check_choice,
    counted,
    filter_of,
    filter_options,
    json_option,
    one_by_one,
    opened,
    print_json,
    progress,
)
from callboard.cli.render import print_job, print_jobs
from callboard.errors import JobFailed, JobNotFound, ResultMissing
from callboard.masking import mask_secrets
from callboard.records import JobView
from callboard.service import QueueService
from callboard.shown import shown_details
from callboard.verbs.looking import MAX_PAGE
from callboard.verbs.steering import ALL_STATES

queue_argument = click.argument("queue")
ids_argument = click.argument("ids", nargs=-1, metavar="[ID]…")
all_option = click.option("--all", "everything", is_flag=True, help="All jobs of the state that the filters want.")
limit_option = click.option(
    "--limit", type=click.IntRange(1, MAX_PAGE), default=50, show_default=True, help="Jobs at most."
)
cursor_option = click.option("--cursor", help="Go on where a page ended, with what it printed.")

_TOLD = "told: its worker stops it within a second"
#: verb -> outcome -> what was done, in words.
_WORDS = {
    "retry": {"done": "waits again"},
    "remove": {"done": "removed", "told": f"{_TOLD}, then it is removed"},
    "cancel": {"done": "cancelled", "told": _TOLD, "already": "was cancelled already"},
    "promote": {"done": "waits now", "already": "waits already"},
}


@click.group()
def jobs() -> None:
    """See and steer jobs: list, show, find, retry, remove, cancel, promote."""


@jobs.command("list", short_help="List the jobs of a state.")
@queue_argument
@click.option("--state", type=click.Choice(ALL_STATES), default="failed", show_default=True, help="Jobs in this state.")
@limit_option
@cursor_option
@json_option
def list_(queue: str, state: str, limit: int, cursor: str | None, as_json: bool) -> None:
    """List the jobs of a state: ended ones newest first, others in the order in which they will run."""
    with opened() as service:
        page = service.list_jobs(queue, state, limit, cursor)
        page = dataclasses.replace(page, jobs=[service.masked(job) for job in page.jobs])
    if as_json:
        print_json(page)
    else:
        is_are = "is" if page.total == 1 else "are"
        note = f"{counted(page.total, 'job')} of {queue} {is_are} {state}"
        print_jobs(page.jobs, state=state, note=note, cursor=page.cursor)


@jobs.command(short_help="Show everything about a job; secrets are masked.")
@queue_argument
@click.argument("id")
@json_option
def show(queue: str, id: str, as_json: bool) -> None:
    """Show everything about a job: its record, attempts with tracebacks, result, progress, log. Secrets are masked."""
    with opened() as service:
        job, told = service.masked(service.get_job(queue, id)), shown_details(service.get_job_details(queue, id))
        result = _result_of(service, job)
    if as_json:
        print_json({**dataclasses.asdict(job), **dataclasses.asdict(told), "result": result})
    else:
        print_job(job, told, result)


def _result_of(service: QueueService, job: JobView) -> Any:
    """What a completed job returned, without its secrets; None where there is nothing (any more)."""
    if job.state != "completed":
        return None
    try:
        return mask_secrets(service.get_result(job.queue, job.id))
    except (ResultMissing, JobNotFound, JobFailed):  # it had its time, or somebody was at the job meanwhile
        return None


@jobs.command(short_help="Find jobs that all given filters want.")
@queue_argument
@click.option("--state", "states", type=click.Choice(ALL_STATES), multiple=True, help="In this state; repeatable.")
@filter_options
@limit_option
@cursor_option
@json_option
def find(
    queue: str, states: tuple[str, ...], limit: int, cursor: str | None, as_json: bool, **given: Any
) -> None:
    """Find jobs that all given filters want."""
    only, looked = filter_of(given), 0
    found: list[JobView] = []
    with opened() as service, progress("looking") as tell:
        while True:
            wanted = limit - len(found)
            page = service.find_jobs(queue, only, states=states or ALL_STATES, limit=wanted, cursor=cursor)
            found += [service.masked(job) for job in page.jobs]
            looked, cursor = looked + page.looked_at, page.cursor
            if tell is not None:
                tell(len(found), looked)
            if cursor is None or len(found) >= limit:
                break
    if as_json:
        print_json({"jobs": found, "cursor": cursor, "looked_at": looked})
    else:
        note = f"{counted(len(found), 'job')} found, {looked:,} looked at"
        print_jobs(found, state=states[0] if len(states) == 1 else "", note=note, cursor=cursor)


@jobs.command(short_help="Let ended jobs wait again.")
@queue_argument
@ids_argument
@all_option
@click.option("--state", type=click.Choice(("failed", "completed", "cancelled")), help="With --all [default: failed].")
@filter_options
@click.option("--reset-attempts", is_flag=True, help="Attempts begin anew instead of getting one more.")
@json_option
def retry(
    queue: str, ids: tuple[str, ...], everything: bool, state: str | None, reset_attempts: bool, as_json: bool,
    **given: Any,
) -> None:  # fmt: skip
    """Let ended jobs wait again, at their own priority."""
    check_choice(ids, everything, {**given, "state": state})
    with opened() as service:
        if ids:
            words = _WORDS["retry"]
            one_by_one(ids, lambda i: service.retry_job(queue, i, reset_attempts=reset_attempts), words, as_json)
            return
        with progress("retrying") as tell:
            n = service.retry_all(
                queue, state=state or "failed", only=filter_of(given), reset_attempts=reset_attempts, progress=tell
            )
    _say_how_many(n, "retried", as_json)


@jobs.command(short_help="Remove jobs and all that is kept about them.")
@queue_argument
@click.argument("ids", nargs=-1, required=True, metavar="ID…")
@click.option("--force", is_flag=True, help="Cancel an active job first, instead of refusing it.")
@json_option
def remove(queue: str, ids: tuple[str, ...], force: bool, as_json: bool) -> None:
    """Remove jobs and all that is kept about them."""
    with opened() as service:
        one_by_one(ids, lambda i: service.remove_job(queue, i, force=force), _WORDS["remove"], as_json)


@jobs.command(short_help="Cancel jobs, running ones too.")
@queue_argument
@ids_argument
@all_option
@click.option("--state", type=click.Choice(("waiting", "delayed", "blocked")), help="With --all [default: waiting].")
@filter_options
@click.option("--reason", default="", help="Kept with the job.")
@json_option
def cancel(
    queue: str, ids: tuple[str, ...], everything: bool, state: str | None, reason: str, as_json: bool, **given: Any
) -> None:
    """Cancel jobs: at once what has not started; a running actor is interrupted within a second."""
    check_choice(ids, everything, {**given, "state": state})
    with opened() as service:
        if ids:
            one_by_one(ids, lambda i: service.cancel_job(queue, i, reason), _WORDS["cancel"], as_json)
            return
        with progress("cancelling") as tell:
            n = service.cancel_all(
                queue, state=state or "waiting", only=filter_of(given), reason=reason, progress=tell
            )
    _say_how_many(n, "cancelled", as_json)


@jobs.command(short_help="Let delayed jobs wait now.")
@queue_argument
@ids_argument
@all_option
@filter_options
@json_option
def promote(queue: str, ids: tuple[str, ...], everything: bool, as_json: bool, **given: Any) -> None:
    """Let delayed jobs wait now, at their own priority."""
    check_choice(ids, everything, given)
    with opened() as service:
        if ids:
            one_by_one(ids, lambda i: service.promote_job(queue, i), _WORDS["promote"], as_json)
            return
        with progress("promoting") as tell:
            n = service.promote_all(queue, only=filter_of(given), progress=tell)
    _say_how_many(n, "promoted", as_json)


def _say_how_many(n: int, done: str, as_json: bool) -> None:
    if as_json:
        print_json({done: n})
    else:
        click.echo(f"{counted(n, 'job')} {done}")
