"""``bin/bench``: run the measurements and report them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click

from bench import (
    adding,
    bulk_steering,
    calibration,
    context,
    flat,
    flows,
    idle,
    memory,
    metrics,
    pickup,
    report,
    schedules,
    scrape,
    settings,
    steering,
    systems,
    throughput,
    validation,
    versions,
    webhooks,
)
from bench.context import Context
from bench.peers.install import install_bullmq
from bench.plan import FULL, QUICK
from bench.processes import ROOT
from bench.quiet import Quiet
from bench.redis_server import find_server, redis_server
from bench.rows import BenchError, Outcome

#: In the order they run. Each module has ``measure(context)``; its docstring is its method.
MEASUREMENTS: dict[str, ModuleType] = {
    "calibration": calibration,
    "throughput": throughput,
    "metrics": metrics,
    "adding": adding,
    "pickup": pickup,
    "memory": memory,
    "idle": idle,
    "flat": flat,
    "steering": steering,
    "bulk-steering": bulk_steering,
    "validation": validation,
    "webhooks": webhooks,
    "flows": flows,
    "schedules": schedules,
    "scrape": scrape,
}

#: Only when asked for with --only.
ON_REQUEST: dict[str, ModuleType] = {"settings": settings}

NAMES = [*MEASUREMENTS, *ON_REQUEST]


@click.command()
@click.option("--quick", is_flag=True, help="Smaller numbers, at most three minutes; writes no file.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="Measure this alone; repeatable.")
@click.option("--server", type=click.Choice(["any", "redis", "valkey"]), default="any", show_default=True)
@click.option("--no-write", is_flag=True, help="Leave docs/benchmarks.md as it is.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a target is missed.")
def main(quick: bool, as_json: bool, only: tuple[str, ...], server: str, no_write: bool, strict: bool) -> None:
    """Measure Callboard, stock Dramatiq and BullMQ side by side on one Redis and the same two cores."""
    cores = versions.hold_to_two_cores()
    plan = QUICK if quick else FULL
    quiet = Quiet(plan.patience_seconds, cores)
    try:
        binary = find_server(server)
        bullmq_folder = install_bullmq()
        outcome = Outcome()
        with tempfile.TemporaryDirectory(prefix="callboard-bench-") as folder, redis_server(binary) as running:
            payloads = systems.write_payloads(Path(folder))
            run = Context(running, plan, payloads, bullmq_folder, cores, quiet)
            for name in only or MEASUREMENTS:
                measure: Callable[[Context], Outcome] = (MEASUREMENTS | ON_REQUEST)[name].measure
                outcome.add(measure(run))
            outcome.add(quiet.outcome())
    except BenchError as error:
        raise click.ClickException(str(error)) from error
    used = versions.collect(binary)
    if as_json:
        click.echo(report.as_json(outcome, used))
    else:
        report.show(outcome, used, f"{versions.machine(len(cores))}, {versions.processor()}")
    if not (quick or only or no_write):
        methods = [(name, module.__doc__ or "") for name, module in MEASUREMENTS.items()]
        path = ROOT / "docs" / "benchmarks.md"
        report.write_markdown(path, outcome, used, versions.machine(len(cores)), "bin/bench", methods, context.FOUND)
    if strict and any(row.verdict == "missed" for row in outcome.rows):
        raise click.exceptions.Exit(1)


if __name__ == "__main__":
    main()
