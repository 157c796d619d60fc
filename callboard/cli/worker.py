"""``callboard worker``: worker processes, each restarted alone when it dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

import click
from redis.exceptions import RedisError

from callboard.cli.application import check_app
from callboard.cli.environment import place_of
from callboard.cli.signals import SignalInbox
from callboard.cli.supervisor import Supervisor
from callboard.cli.tree import TreeOptions
from callboard.errors import CallboardError
from callboard.settings import Settings
from callboard.store.store import open_store
from callboard.suggest import did_you_mean
from callboard.unblocked import tell_within

#: How long a line waits for whoever reads standard error (seconds).
_SAY_S = 0.1

#: Shared with ``callboard up``.
app_option = click.option(
    "--app", default="actors", show_default=True, help="Module that composes the application, seen from here."
)
processes_option = click.option(
    "--processes",
    "-p",
    type=click.IntRange(1, 512),
    default=lambda: os.cpu_count() or 1,
    show_default="number of cores",
    help="Worker processes.",
)
threads_option = click.option(
    "--threads", "-t", type=click.IntRange(1, 1024), default=8, show_default=True, help="Threads a process."
)
queues_option = click.option(
    "--queues", "-Q", multiple=True, metavar="NAME", help="Work on this queue only; may be repeated. Default: all."
)
grace_option = click.option(
    "--grace",
    type=click.FloatRange(0.0, 86_400.0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Time that running jobs have to finish on shutdown.",
)


@click.command()
@app_option
@processes_option
@threads_option
@queues_option
@grace_option
def worker(app: str, processes: int, threads: int, queues: tuple[str, ...], grace: float) -> None:
    """Run worker processes and restart each alone when it dies.

    SIGTERM or Ctrl-C lets running jobs finish, a second one ends them at once (their jobs run again elsewhere).
    SIGHUP replaces the processes one at a time, for a new version of the code.
    """
    settings = check_start(app, queues)
    tell_of_redis(settings)
    supervisor = Supervisor(TreeOptions(app, threads, queues, grace), processes, say)
    with SignalInbox() as inbox:
        while True:
            supervisor.tick()
            if supervisor.finished:
                break
            for number in inbox.wait(supervisor.tick_within_s):
                react(supervisor, number)
    raise SystemExit(supervisor.exit_code)


def check_start(app: str, queues: Sequence[str] = ()) -> Settings:
    """Find out what would fail in every worker process alike, before one is started.

    Returns: the settings.
    Raises: pydantic.ValidationError when a setting does not fit; UsageError when there is no module ``app``, or no
    queue of such a name.
    """
    settings = Settings()
    check_app(app)
    for name in queues:
        if name not in settings.catalogue:
            known = ", ".join(settings.catalogue)
            meant = did_you_mean(name, settings.catalogue)
            raise click.UsageError(f"--queues: unknown queue {name!r}{meant}; the catalogue has: {known}")
    return settings


def tell_of_redis(settings: Settings) -> None:
    """Say so when Redis does not answer: the workers start all the same, and wait for it."""
    store = open_store(settings)
    try:
        store.execute("PING")
    except (CallboardError, RedisError) as error:
        said, where = str(error).rstrip("."), place_of(settings)
        say(f"{said}{'' if where in said else f' ({where})'}; the workers wait for it. REDIS_URL says where it is")
    finally:
        store.close()


def react(supervisor: Supervisor, number: signal.Signals) -> None:
    """Do what a signal asks for: stop, kill the second time, or reload."""
    if number in {signal.SIGTERM, signal.SIGINT}:
        if supervisor.stopping:
            say(f"{number.name} again: ending at once")
            supervisor.kill()
        else:
            say(f"{number.name}: finishing running jobs")
            supervisor.stop()
    elif number == signal.SIGHUP:
        supervisor.reload()


def say(line: str) -> None:
    """Tell the operator; standard output stays free for what was asked for. Whoever says it stops and restarts
    processes, so it waits for no reader: without one the line is left out."""
    tell_within(f"callboard: {line}\n", _SAY_S)
