"""``callboard worker``: worker processes, each restarted alone when it dies."""

from __future__ import annotations

import os
import signal

import click

from callboard.cli.signals import SignalInbox
from callboard.cli.supervisor import Supervisor
from callboard.cli.tree import TreeOptions

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
    supervisor = Supervisor(TreeOptions(app, threads, queues, grace), processes, say)
    with SignalInbox() as inbox:
        while True:
            supervisor.tick()
            if supervisor.finished:
                break
            for number in inbox.wait(supervisor.tick_within_s):
                react(supervisor, number)
    raise SystemExit(supervisor.exit_code)


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
    """Tell the operator; standard output stays free for what was asked for."""
    click.echo(f"callboard: {line}", err=True)
