"""The command: choose ports, write the configuration, start everything, stay until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Any

import click

from callboard.cli.application import check_app
from callboard.cli.embedded import CannotEmbed, EmbeddedServer
from callboard.cli.environment import place_of
from callboard.cli.signals import SignalInbox
from callboard.settings import Settings
from callboard.store.address import parse_address
from demo.monitoring import programs
from demo.monitoring.folder import TOKEN, CannotWrite, Folder, InUse
from demo.monitoring.places import HOST, USUAL_PORTS, PortTaken, choose_ports
from demo.monitoring.stage import Stage, StageFailed
from monitoring.site import Addresses, Site

#: Time between two looks at what starts or runs (in seconds).
_BEAT_S = 0.2
#: How long the start may take (in seconds).
_START_WITHIN_S = 90.0
#: How long running jobs may take to finish when it ends (in seconds).
_GRACE_S = 10.0


class _Port(click.ParamType[tuple[str, int]]):
    """``NAME=PORT``."""

    name = "NAME=PORT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        name, _, port = str(value).partition("=")
        if name not in USUAL_PORTS:
            self.fail(f"{value!r}: the names are {', '.join(USUAL_PORTS)}", param, ctx)
        if not port.isdecimal() or int(port) > 65_535:
            self.fail(f"{value!r}: a port is a number up to 65535; 0 asks for a free one", param, ctx)
        return name, int(port)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), default=Path(".callboard/monitoring"),
              show_default=True, help="Where data, logs and the configuration in use are kept.")
@click.option("--app", default="actors", show_default=True, help="Module that composes the application.")
@click.option("--processes", "-p", type=click.IntRange(1, 64), default=2, show_default=True, help="Worker processes.")
@click.option("--threads", "-t", type=click.IntRange(1, 1024), default=8, show_default=True, help="Threads a process.")
@click.option("--port", "ports", type=_Port(), multiple=True, metavar="NAME=PORT",
              help=f"Port of one of {', '.join(USUAL_PORTS)}; may be repeated. Default: the usual one if it is free, "
              "else a free one.")
@click.option("--time-scale", type=click.FloatRange(0.034, 1), default=1.0, show_default=True,
              help="Multiply all durations of rules, scrapes and Alertmanager, to see alerts sooner.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with the addresses when all are ready.")
def main(
    data_dir: Path, app: str, processes: int, threads: int, ports: Iterable[tuple[str, int]], time_scale: float,
    as_json: bool,
) -> None:  # fmt: skip
    """Run Callboard with its whole monitoring in the foreground: Redis, workers, the ops API, redis_exporter,
    Prometheus, Alertmanager, and Grafana where it is installed.

    Redis is an embedded Valkey with an append-only file, unless REDIS_URL or REDIS_HOST is set. Everything listens on
    127.0.0.1. Ctrl-C lets running jobs finish and ends everything, a second one does not wait for them.
    """
    check_app(app)
    try:
        folder = Folder(data_dir)
        chosen = choose_ports(dict(ports))
        server = None
        if not (os.environ.get("REDIS_URL") or os.environ.get("REDIS_HOST")):
            server = EmbeddedServer(folder.made("redis"))
            os.environ["REDIS_URL"] = server.url  # for the programs, which inherit it
        settings = Settings()
        site = _site(settings, chosen, time_scale)
        folder.write(site)
        click.echo(folder.told, err=True)
        all_programs = _programs(settings, folder, site, chosen, app, processes, threads)
    except (CannotEmbed, CannotWrite, InUse, PortTaken, programs.Missing) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{data_dir} cannot be used: {error.strerror}") from error
    with SignalInbox() as inbox, Stage(folder, server, all_programs) as stage:
        told = _told(settings, folder, all_programs)
        raise SystemExit(_run(stage, inbox, told if as_json else _welcome(told, server is not None)))


def _run(stage: Stage, inbox: SignalInbox, told: dict[str, Any] | str) -> int:
    """Start, tell, stay, end. ``told``: what is said when all are ready, in words or as an object.

    Returns: the exit code.
    """
    code = 0
    try:
        if _start(stage, inbox):
            click.echo(told if isinstance(told, str) else json.dumps({**told, "pids": stage.pids}))
            while not _asked_to_end(inbox):
                stage.check()
    except StageFailed as failure:
        click.echo(f"error: {failure}", err=True)
        code = 1
    click.echo("finishing running jobs", err=True)
    stage.stop()
    while not stage.finished:
        stage.tick()
        if _asked_to_end(inbox):
            stage.stop()
    return code or int(not stage.ended_well)


def _start(stage: Stage, inbox: SignalInbox) -> bool:
    """Start everything and wait for it. Returns: False when somebody wants it to end.

    Raises: StageFailed.
    """
    deadline, said = monotonic() + _START_WITHIN_S, ""
    for waiting in stage.start():
        if waiting != said:
            said = waiting
            click.echo(f"waiting for {said} …", err=True)
        stage.check()
        if monotonic() >= deadline:
            raise StageFailed(f"not ready within {_START_WITHIN_S:g} s: {waiting}; logs are in {stage.logs}")
        if _asked_to_end(inbox):
            return False
    return True


def _asked_to_end(inbox: SignalInbox) -> bool:
    return any(number != signal.SIGCHLD for number in inbox.wait(_BEAT_S))


def _site(settings: Settings, ports: dict[str, int], time_scale: float) -> Site:
    at = {name: f"{HOST}:{port}" for name, port in ports.items()}
    return Site(
        catalogue=settings.catalogue,
        time_scale=time_scale,
        grafana_url=f"http://{at['grafana']}",
        runbooks_url=f"http://{at['ops-api']}/runbooks",
        addresses=Addresses(at["ops-api"], at["redis-exporter"], at["prometheus"], at["alertmanager"]),
    )


def _programs(
    settings: Settings, folder: Folder, site: Site, ports: dict[str, int], app: str, processes: int, threads: int
) -> list[programs.Program]:
    """Everything that runs beside Redis, in the order of its start.

    Raises: programs.Missing.
    """
    ops_api = programs.ops_api(ports["ops-api"], {"CALLBOARD_OPS_ALERTS_TOKEN_FILE": str(folder.secrets / TOKEN)})
    prometheus = programs.prometheus(ports["prometheus"], folder, site)
    alertmanager = programs.alertmanager(ports["alertmanager"], folder)
    found = [
        programs.workers(app, processes, threads, _GRACE_S, f"{ops_api.url}/sd/workers"),
        ops_api,
        prometheus,
        alertmanager,
    ]
    address = parse_address(settings.url)
    if address.kind == "one":
        found.append(programs.redis_exporter(ports["redis-exporter"], address.url))
    else:
        click.echo("redis_exporter is left out: it watches one server, not Sentinel or Cluster", err=True)
    grafana = programs.grafana(ports["grafana"], folder, str(prometheus.url), str(alertmanager.url))
    if grafana:
        found.append(grafana)
    else:
        click.echo(f"Grafana is not installed: its dashboards are in {folder.deploy / 'grafana'}", err=True)
    return found


def _told(settings: Settings, folder: Folder, all_programs: list[programs.Program]) -> dict[str, Any]:
    """Where everything is, without passwords."""
    urls = {program.name.replace("-", "_"): program.url for program in all_programs if program.url}
    return {"redis": place_of(settings), **urls, "data_dir": str(folder.path)}


def _welcome(told: dict[str, Any], embedded: bool) -> str:
    lines = [f"{name.replace('_', ' '):16}{where}" for name, where in told.items()]
    lines += ["", "In another terminal:", "  source .venv/bin/activate"]
    if embedded:
        lines.append(f"  export REDIS_URL=redis://{told['redis']}")
    lines += ["  callboard queues", "", "Ctrl-C ends it."]
    return "\n".join(lines)
