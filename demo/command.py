"""The command: set the stage, play, check, report, end."""

from __future__ import annotations

import shutil
import signal
import sys
from contextlib import closing
from time import monotonic

import click
from rich.console import Console
from rich.text import Text

from callboard.cli.embedded import CannotEmbed
from callboard.cli.signals import SignalInbox
from callboard.errors import CallboardError
from demo.board import Board
from demo.checks import check_all
from demo.commands import CommandFailed, Registration
from demo.evidence import artifacts, read_back
from demo.narrator import Narrator
from demo.play import Cast, play
from demo.report import as_json, print_checks, print_table, rows
from demo.screen import CalmScreen, LiveScreen, Screen
from demo.stage import PROCESSES, THREADS, Stage, StageFailed, claim_folder, clear_environment
from demo.verdict import Check
from demo.webhooks import HOOKS, keep_secrets

#: Time between two looks (in seconds).
_BEAT_S = 0.1
#: How long the start, and how long the play may take (in seconds); usual are 4 and 8.
_START_WITHIN_S, _PLAY_WITHIN_S = 30.0, 45.0
#: Width of text, and of the table, where no terminal says how wide it is.
_WIDTH, _TABLE_WIDTH = 100, 160


class Interrupted(Exception):
    """Somebody wants it to end."""


class Demo:
    """One run of the demo on its stage."""

    def __init__(self, stage: Stage, inbox: SignalInbox, screen: Screen) -> None:
        self.stage = stage
        self.cast = Cast()
        self.board = Board(stage.service)
        self.screen = screen
        self._inbox = inbox

    def start(self) -> None:
        """Start servers and workers, register the endpoints, and wait for all of it.

        Raises: StageFailed, CommandFailed, Interrupted.
        """
        deadline = monotonic() + _START_WITHIN_S
        self.screen.title("starting Valkey, the mail server and the workers …")
        while not self.stage.server.ready():
            self._wait(deadline, "Valkey does not answer")
        registration = Registration(HOOKS, self.stage.receiver.url)
        try:
            self.screen.title("starting the workers, registering endpoints of webhooks …")
            while not (registration.advance() and self.stage.ready()):
                self._wait(deadline, "the workers have not announced themselves, or the endpoints are not registered")
        finally:
            registration.stop()
        keep_secrets(self.stage.webhooks, registration.endpoints)
        self.cast = Cast(registration.endpoints)
        self.screen.title(
            f"{PROCESSES} worker processes × {THREADS} threads; ports: Valkey {self.stage.server.port}, "
            f"mail {self.stage.smtp.port}, webhooks {self.stage.receiver.port}"
        )

    def play(self) -> None:
        """Add the jobs and follow them until all have ended.

        Raises: StageFailed, also when they do not end in time; CommandFailed; Interrupted; CallboardError when Redis is
            gone.
        """
        service, jobs = self.stage.service, {job.job_id: job for job in self.cast.everybody}
        narrator = Narrator(service, jobs)
        deadline = monotonic() + _PLAY_WITHIN_S
        with closing(play(service, self.stage.smtp, self.stage.receiver, self.board, self.cast)) as steps:
            for _ in steps:
                fresh = [narrator.tell(event) for event in self.board.poll()]
                self.screen.update(self.board.stats, fresh, self.board.ended(jobs), len(jobs))
                self._wait(deadline, "not every job has ended")

    def stay(self) -> None:
        """Keep everything up until somebody wants it to end.

        Raises: StageFailed when it does not stay up.
        """
        try:
            while True:
                self._wait(float("inf"), "")
        except Interrupted:
            pass

    def end(self) -> bool:
        """Let everything end and wait for it; a signal makes it end at once. Returns whether it ended by itself."""
        self.stage.stop()
        while not self.stage.finished:
            self.stage.tick()
            if any(number != signal.SIGCHLD for number in self._inbox.wait(_BEAT_S)):
                self.stage.stop()
        return self.stage.ended_well

    def _wait(self, deadline: float, late: str) -> None:
        self.stage.tick()
        if monotonic() >= deadline:
            raise StageFailed(f"{late} in time")
        if any(number != signal.SIGCHLD for number in self._inbox.wait(_BEAT_S)):
            raise Interrupted


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--once", is_flag=True, help="End after the table instead of staying up for a look.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object a job, one a line, instead of the table.")
@click.option("--keep", is_flag=True, help="Keep the Redis data as well; all else is always kept.")
def main(once: bool, json_: bool, keep: bool) -> None:
    """Run real jobs on an embedded Valkey and see what becomes of them.

    Emails with attachments go from real workers to a mail server on this machine. Some are refused at first and
    retried with backoff, one of high priority overtakes a backlog, one is delayed. Signed webhooks go to endpoints on
    this machine: one is put off and comes again, an event goes to all who want it. Maintenance jobs report, check and
    count, and when all of them have ended one more email says so: a flow. A schedule ticks each second. At the end the
    mailbox and the webhooks are read back and everything is checked: the exit code is 0 only if all of it ended as it
    should.

    What a run leaves is in .cache/demo, until the next run.
    """
    clear_environment()
    out = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    tell = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH, highlight=False) if json_ else out
    folder = claim_folder()
    try:
        stage = Stage(folder)
    except CannotEmbed as error:
        raise click.ClickException(str(error)) from error
    with SignalInbox() as inbox, stage:
        demo = Demo(stage, inbox, LiveScreen(tell) if tell.is_terminal else CalmScreen(sys.stderr))
        try:
            code = _run(demo, out, tell, once=once, json_=json_)
        except Interrupted:
            code = 130
        finally:
            ended_well = demo.end()
    if not ended_well and code == 0:
        tell.print(f"[bold red]The workers had to be killed.[/] Their log: {stage.log}", soft_wrap=True)
        code = 1
    if not keep:
        shutil.rmtree(folder / "redis")
    raise SystemExit(code)


def _run(demo: Demo, out: Console, tell: Console, *, once: bool, json_: bool) -> int:
    """Everything between start and end; returns the exit code.

    Raises: Interrupted.
    """
    failure = ""
    try:
        demo.start()
        demo.play()
    except (StageFailed, CommandFailed, CallboardError) as error:
        failure = str(error)
    finally:
        demo.screen.close()
    checks = _report(demo, out, tell, json_=json_)
    if failure or not all(check.passed for check in checks):
        tell.print(f"\n[bold red]The demo did not end as it should{': ' + failure if failure else ''}.[/]")
        tell.print(f"The workers' log: {demo.stage.log}", soft_wrap=True)
        return 1
    tell.print("\n[bold green]Everything ended as it should.[/]")
    if not once:
        _invite(demo, tell)
        try:
            demo.stay()
        except StageFailed as error:
            tell.print(f"[bold red]{error}.[/] The workers' log: {demo.stage.log}", soft_wrap=True)
            return 1
    return 0


def _report(demo: Demo, out: Console, tell: Console, *, json_: bool) -> list[Check]:
    """Print the table or JSON, and the checks. Nothing of Redis is shown when it does not answer."""
    stage, cast = demo.stage, demo.cast
    evidence = read_back(stage.service, demo.board, cast, stage.smtp.mailbox, stage.receiver.requests)
    table = rows(cast.everybody, evidence.views, artifacts(cast, evidence))
    if json_:
        click.echo(as_json(table))
    else:
        print_table(out if out.is_terminal else Console(width=_TABLE_WIDTH, highlight=False), table, stage.folder)
        out.print(Text(f"\nArtifacts are in {stage.folder}", style="dim"), soft_wrap=True)
    checks = check_all(cast, evidence)
    tell.print()
    print_checks(tell, checks)
    return checks


def _invite(demo: Demo, tell: Console) -> None:
    """Say what there is to look at."""
    stage = demo.stage
    tell.print("\nIt stays up for a look, until Ctrl-C. In another terminal:\n")
    for line in (
        f"  REDIS_URL={stage.server.url} .venv/bin/callboard queues",
        f"  redis-cli -p {stage.server.port}",
        f"  REDIS_URL={stage.server.url} .venv/bin/python -m actors.webhooks endpoints list",
        f"  ls {stage.mailbox} {stage.webhooks}",
        f"  tail -f {stage.log}",
    ):
        tell.print(line, soft_wrap=True, markup=False)
