"""Tests of the recorded shares of errors over long windows, from recorded rates."""

from __future__ import annotations

from typing import Any

from monitoring.rule_tests.cases import seconds

_WINDOWS = ("30m", "1h", "2h", "6h", "1d", "3d")
#: All are looked at then; each evaluation is as far from the next as the shortest two are long.
_AT, _EVERY = "4d", "1h"

#: Samples in a window, its start and its end included; the first three are of another kind than the rest.
_IN_WINDOW, _FIRST = 13, 3
#: (eligible, met) a second: before the window, at its start, then. Each range that is off changes both averages.
_BEFORE, _START, _THEN = (100, 0), (20, 4), (10, 9)


def tests() -> dict[str, Any]:
    """What promtool reads, without the rule file."""
    return {"evaluation_interval": _EVERY, "tests": [_window(window) for window in _WINDOWS]}


def _window(window: str) -> dict[str, Any]:
    step = seconds(window) // (_IN_WINDOW - 1)
    before = seconds(_AT) // step - (_IN_WINDOW - 1)
    labels = '{queue="a", slo="success"}'
    rest = _IN_WINDOW - _FIRST
    series = [
        {
            "series": f"queue_slo:callboard_slo_{count}:rate5m{labels}",
            "values": f"{_BEFORE[at]}+0x{before - 1} {_START[at]}+0x{_FIRST - 1} {_THEN[at]}+0x{rest}",
        }
        for at, count in enumerate(("eligible", "met"))
    ]
    met, eligible = (_START[at] * _FIRST + _THEN[at] * rest for at in (1, 0))
    return {
        "name": f"share of errors over {window}",
        "interval": f"{step}s",
        "input_series": series,
        "promql_expr_test": [
            {
                # Averages are not exact in the last digits.
                "expr": f"round(queue_slo:callboard_slo_errors:ratio_rate{window}, 0.000001)",
                "eval_time": _AT,
                "exp_samples": [{"labels": labels, "value": round(1 - met / eligible, 6)}],
            }
        ],
    }
