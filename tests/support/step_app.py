"""The platform's own application, in worker processes that die at the step that a test chose.

The step is named in the file ``STEP_KILL_AT``, as ``EmailStep.NOTED``. The first process to come to it writes a line
``killed`` to the ledger and kills itself; whoever comes to it later goes on.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import dramatiq

import callboard.steps
from callboard.steps import Step
from tests.support.announce import Announce
from tests.support.ledger import Ledger

LEDGER = Ledger(Path(os.environ["FAULT_LEDGER"]))
KILL_AT = Path(os.environ["STEP_KILL_AT"])


def name_of(step: Step) -> str:
    """How a step is named in the file and in the ledger."""
    return f"{type(step).__name__}.{step.name}"


def die_here_once(step: Step) -> None:
    """Called at every step: kill this process at the chosen one, unless one was killed there before."""
    name = name_of(step)
    if KILL_AT.read_text(encoding="ascii") == name and name not in LEDGER.ids("killed"):
        LEDGER.note("killed", name)
        os.kill(os.getpid(), signal.SIGKILL)


callboard.steps.on_reached = die_here_once

import actors  # noqa: E402, F401  # composes the application: only now, so that no step is passed before

dramatiq.get_broker().add_middleware(Announce(LEDGER))
