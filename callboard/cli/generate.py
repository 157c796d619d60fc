"""``callboard generate``: files of the source tree that follow from the code, written or compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from callboard.errors import CallboardError
from callboard.settings import Settings
from callboard.verbs.steering import ALL_STATES, EFFECTS

#: The source tree that this package lies in.
ROOT = Path(__file__).parents[2]

_REFUSED = "–"


class NoSourceTree(CallboardError):
    """There is no source tree around this package. Run `callboard generate` from a checkout."""


_VERBS = """\
# Verbs on one job

What a verb does to a job depends on the job's state. Where it says –, the verb is refused with `WrongState`, which
names the present state, and nothing is changed. An id that no job of the queue has is `JobNotFound`. Each verb is one
script: whatever workers do at the same time comes before it or after it.

{table}

The answer is `done`, `told` (the worker that runs the job hears of it within a second) or `already` (it was so);
`reprioritise` to the priority that the job has is `already`, too. Jobs that a limit holds back are waiting.

This page is written by `callboard generate` from `EFFECTS` in `callboard/verbs/steering.py`; a test tries every cell.
"""


def verbs_page() -> str:
    """docs/reference/verbs.md: what each verb on one job does in each state."""
    lines = [f"| verb | {' | '.join(ALL_STATES)} |", f"|---|{'---|' * len(ALL_STATES)}"]
    for verb, effects in EFFECTS.items():
        lines.append(f"| {verb} | {' | '.join(effects.get(state, _REFUSED) for state in ALL_STATES)} |")
    return _VERBS.format(table="\n".join(lines))


def made(**site: Any) -> dict[str, str]:
    """File, from the root of the source tree -> its text. ``site``: fields of ``monitoring.site.Site`` that differ."""
    from monitoring import files  # not in the wheel: only a source tree has it
    from monitoring.site import Site

    here = Site(**site)
    return {"docs/reference/verbs.md": verbs_page()} | {name: make(here) for name, make in files.FILES.items()}


def stale(root: Path, texts: Mapping[str, str]) -> list[str]:
    """The files of ``texts`` that are not so below ``root``."""
    return [name for name, text in texts.items() if _read(root / name) != text]


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 when a file is not as it would be written.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=None,
              help="Write below this folder instead of the source tree.")
@click.option("--time-scale", type=click.FloatRange(0.001, 1000), default=1.0, show_default=True,
              help="Multiply all durations of rules and of Alertmanager; thresholds stay.")
@click.option("--grafana-url", envvar="CALLBOARD_GRAFANA_URL", default=None, metavar="URL",
              help="Where alerts link to for dashboards.")
@click.option("--runbooks-url", envvar="CALLBOARD_RUNBOOKS_URL", default=None, metavar="URL",
              help="Where alerts link to for runbooks.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: one array, the files that were not right.")
def generate(check: bool, output: Path | None, as_json: bool, **site: Any) -> None:
    """Write the files of the source tree that follow from the code.

    Only what has changed is written, and named. Queues and thresholds are those of CALLBOARD_QUEUES.
    """
    if not (ROOT / "docs").is_dir():
        raise NoSourceTree
    root = output or ROOT
    given = {name: value for name, value in site.items() if value is not None}
    texts = made(catalogue=Settings().catalogue, **given)
    changed = stale(root, texts)
    if not check:
        try:
            for name in changed:
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(texts[name], encoding="utf-8")
        except OSError as error:
            raise click.ClickException(f"{error.filename} cannot be written: {error.strerror}") from error
    if as_json:
        click.echo(json.dumps(changed))
    else:
        for name in changed:
            click.echo(f"{name}: {'not as the code has it' if check else 'written'}")
    if check and changed:
        raise click.ClickException("run `callboard generate`")
