"""The order of the middleware: one table, in the code, in the guide, and in every broker."""

from __future__ import annotations

import re
from pathlib import Path

from callboard import CallboardBroker
from callboard.settings import Settings
from middleware.stack import LAYERS, default_stack

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guides" / "middleware.md").read_text(encoding="utf-8")

#: Everything that settings can ask for.
ALL = Settings(max_jobs=1, max_memory_mb=1, attempt_log=True, metrics=True)


def test_a_broker_has_the_layers_in_their_order_behind_the_gate() -> None:
    broker = CallboardBroker(ALL, middleware=default_stack(ALL))
    assert [type(each).__name__ for each in broker.middleware] == ["WorkerRuntime", *(layer.name for layer in LAYERS)]


def test_layers_that_nobody_asked_for_are_left_out() -> None:
    stack = default_stack(Settings(attempt_log=False, metrics=False))
    names = [type(each).__name__ for each in stack]
    assert names == [layer.name for layer in LAYERS if layer.name not in {"AttemptLog", "WorkerMetrics", "Recycling"}]


def test_the_guide_has_the_same_table() -> None:
    section = GUIDE.partition("## The order")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    assert told[0][0] == "WorkerRuntime"
    assert told[1:] == [(layer.name, layer.does, layer.place) for layer in LAYERS]


def test_each_layer_is_a_file() -> None:
    for layer in LAYERS:
        if layer.name == "CurrentMessage":
            continue  # Dramatiq's own, as it is
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", layer.name).lower()
        assert (ROOT / "middleware" / f"{name}.py").exists(), f"{layer.name} has no file of its own"
