"""``callboard``: the command line, each subcommand loaded only when it is called."""

from __future__ import annotations

import importlib
import os
from typing import Any

import click

from callboard.cli.environment import mistyped
from callboard.cli.plainly import plainly

#: Subcommand -> (where its click command is, what it does in one line). The line is repeated here so that
#: ``callboard --help`` need not load them all; a test compares it with the command's own.
COMMANDS = {
    "flows": ("callboard.cli.flows:flows",
              "See and steer flows: show, cancel, retry, remove. A flow is named by any of its jobs."),
    "generate": ("callboard.cli.generate:generate", "Write the files of the source tree that follow from the code."),
    "jobs": ("callboard.cli.jobs:jobs", "See and steer jobs: list, show, find, retry, remove, cancel, promote."),
    "queues": ("callboard.cli.queues:queues", "Show every queue and how many jobs are in which state."),
    "schedules": ("callboard.cli.schedules:schedules",
                  "See and steer recurring jobs: list, show, add, pause, resume, run, delete, preview."),
    "up": ("callboard.cli.up:up", "Run the whole system in the foreground: Redis and workers."),
    "worker": ("callboard.cli.worker:worker", "Run worker processes and restart each alone when it dies."),
    "workers": ("callboard.cli.workers:workers", "Show the worker processes and when each was last heard of."),
}


class LazyGroup(click.Group):
    """The commands of ``COMMANDS``, and one clear line instead of a traceback for our own errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all subcommands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the subcommand ``cmd_name``; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of subcommands without loading one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. What Callboard itself refuses ends in ``Error: …`` and exit code 1 (a setting: 2)."""
        for line in mistyped(os.environ):
            click.echo(f"Warning: {line}", err=True)
        with plainly():
            return super().invoke(ctx)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="callboard", message="%(prog)s %(version)s")
def main() -> None:
    """Background jobs that can be seen and steered.

    REDIS_URL (or REDIS_HOST, REDIS_PORT, REDIS_PASSWORD) says where the queues are.
    """


if __name__ == "__main__":
    main()
