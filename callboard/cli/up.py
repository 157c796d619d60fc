"""``callboard up``: the whole system in one terminal."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import click

from callboard.cli.common import counted
from callboard.cli.embedded import EmbeddedServer
from callboard.cli.signals import SignalInbox
from callboard.cli.supervisor import Supervisor
from callboard.cli.tree import TreeOptions
from callboard.cli.worker import (
    app_option,
    check_start,
    grace_option,
    processes_option,
    say,
    tell_of_redis,
    threads_option,
)

#: How long the embedded server may take to flush its file and end (in seconds).
SERVER_GRACE_S = 15.0
#: A server that ends sooner than this after its start is not started again (in seconds).
SERVER_SETTLE_S = 5.0
#: How often a server that starts or ends is looked at (in seconds).
POLL_S = 0.05


class System:
    """The embedded server (if there is one) and the workers: started in this order, ended in the other."""

    def __init__(
        self,
        server: EmbeddedServer | None,
        supervisor: Supervisor,
        on_ready: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = say,
    ) -> None:
        """Nothing runs before the first ``tick``.

        Args:
          server: None when Redis is somebody else's.
          supervisor: runs the workers.
          on_ready: called once, when the workers are being started.
          say: gets one line for everything an operator should know of.
        """
        self._server = server
        self._supervisor = supervisor
        self._on_ready = on_ready
        self._say = say
        self._started_at = 0.0
        self._ready = False
        self._stopping = False
        self._kill_server_at: float | None = None
        self._server_failed = False

    @property
    def finished(self) -> bool:
        """Whether it was stopped, or failed, and nothing runs any more."""
        workers_ended = not self._ready or self._supervisor.finished
        return self._stopping and workers_ended and not (self._server and self._server.running)

    @property
    def exit_code(self) -> int:
        """0 after a clean end."""
        return self._supervisor.exit_code or int(self._server_failed)

    @property
    def tick_within_s(self) -> float:
        """The longest time until the next ``tick`` (in seconds)."""
        if not self._ready or self._kill_server_at is not None:
            return POLL_S
        return self._supervisor.tick_within_s

    def tick(self) -> None:
        """Do what is due: start, restart, go on with the end."""
        if self._server and not self._stopping and not self._server.running:
            self._start_server(self._server)
        if not self._ready and not self._stopping and (self._server is None or self._server.ready()):
            self._ready = True
            self._on_ready()
        if self._ready:
            self._supervisor.tick()
            self._stopping = self._stopping or self._supervisor.stopping  # it may have given up
        if self._stopping and (self._supervisor.finished or not self._ready):
            self._end_server()

    def stop(self) -> None:
        """End cleanly; the second call ends the workers at once."""
        if self._stopping:
            self._say("ending at once")
            self._supervisor.kill()
        else:
            self._say("finishing running jobs")
            self._supervisor.stop()
        self._stopping = True

    def _start_server(self, server: EmbeddedServer) -> None:
        if server.exit_code is not None:
            said = f"the embedded Redis ended (exit code {server.exit_code}; {server.log}): {server.last_words()}"
            if monotonic() - self._started_at < SERVER_SETTLE_S:
                self._say(said)
                self._server_failed = True
                self._stopping = True
                self._supervisor.stop()
                return
            self._say(f"{said}; starting it again")
        self._started_at = monotonic()
        server.start()

    def _end_server(self) -> None:
        if self._server is None:
            return
        if self._kill_server_at is None:
            self._kill_server_at = monotonic() + SERVER_GRACE_S
            self._server.stop()
        elif monotonic() >= self._kill_server_at:
            self._server.kill()


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".callboard"),
    show_default=True,
    help="Where the embedded Redis keeps its data.",
)
@click.option(
    "--redis-port",
    type=click.IntRange(1, 65535),
    show_default="the one of last time, else a free one",
    help="Port of the embedded Redis on 127.0.0.1.",
)
@app_option
@processes_option
@threads_option
@grace_option
def up(data_dir: Path, redis_port: int | None, app: str, processes: int, threads: int, grace: float) -> None:
    """Run the whole system in the foreground: Redis and workers.

    Redis is an embedded Valkey with an append-only file on 127.0.0.1, unless REDIS_URL or REDIS_HOST is set.
    Ctrl-C lets running jobs finish and ends everything, a second one does not wait for them.
    """
    settings = check_start(app)
    server = None
    if not (os.environ.get("REDIS_URL") or os.environ.get("REDIS_HOST")):
        server = EmbeddedServer(data_dir, redis_port)
        os.environ["REDIS_URL"] = server.url  # for the workers, which inherit it
    else:
        tell_of_redis(settings)
    supervisor = Supervisor(TreeOptions(app, threads, (), grace), processes, say)
    system = System(server, supervisor, lambda: click.echo(_welcome(server, app, processes, threads)))
    with SignalInbox() as inbox:
        while True:
            system.tick()
            if system.finished:
                break
            for number in inbox.wait(system.tick_within_s):
                if number != signal.SIGCHLD:
                    system.stop()
    raise SystemExit(system.exit_code)


def _welcome(server: EmbeddedServer | None, app: str, processes: int, threads: int) -> str:
    where = f"embedded Valkey on {server.url}, data in {server.data_dir}" if server else "the one of your environment"
    lines = [
        f"Redis    {where}",
        f"Workers  {counted(processes, 'process', 'processes')} of {counted(threads, 'thread')}, application {app}",
        "",
        "In another terminal:",
    ]
    if server:
        lines.append(f"  export REDIS_URL={server.url}")
    lines += ["  callboard queues", "", "Ctrl-C ends it."]
    return "\n".join(lines)
