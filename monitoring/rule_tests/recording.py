"""Tests of the recording rules, but for the long windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitoring import limits
from monitoring.rule_tests.cases import LONG, STEP, always, cut, number, samples, seconds

_GAUGES = (
    "callboard_queue_paused", "callboard_queue_oldest_waiting_age_seconds", "callboard_queue_oldest_active_age_seconds",
    "callboard_queue_wait_target_seconds", "callboard_queue_time_limit_seconds", "callboard_queue_workers",
    "callboard_outbox_messages",
)  # fmt: skip
#: Total -> whether replicas tell the same (the maximum is taken) or workers tell their own (they are added).
_RATES = {
    **{f"callboard_jobs_{total}": "max" for total in ("added", "completed", "failed", "cancelled")},
    "callboard_jobs_retried": "max",
    "callboard_jobs_stalled": "max",
    "callboard_attempts": "sum",
    "callboard_retries": "sum",
}
#: The last time (seconds) at which 5 minutes, and an hour, reach back to the sample before 60 s.
_FLOW, _HOUR = 345, 3_645
#: When the exporters are away (seconds).
_AWAY = 300


def tests() -> dict[str, Any]:
    """What promtool reads, without the rule file."""
    return {
        "evaluation_interval": f"{STEP}s",
        "tests": [_gauges(), *(_rate(total, operation) for total, operation in _RATES.items()), *_drain(), *_slo()],
    }


#: (expression, time in seconds) -> labels -> value.
Expect = Mapping[tuple[str, int], Mapping[str, float]]


def _group(name: str, series: Mapping[str, str], expect: Expect) -> dict[str, Any]:
    last = max(at for _, at in expect)
    return {
        "name": name,
        "interval": f"{STEP}s",
        "input_series": [{"series": each, "values": cut(values, last)} for each, values in series.items()],
        "promql_expr_test": [
            {
                "expr": expr,
                "eval_time": f"{at}s",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in found.items()],
            }
            for (expr, at), found in expect.items()
        ],
    }


def _gauges() -> dict[str, Any]:
    """Three replicas, one behind; they fall from 9, and later all are away."""
    told = (5, 5, 2)
    series: dict[str, str] = {}
    expect: dict[tuple[str, int], Mapping[str, float]] = {}

    def tell(record: str, found: Mapping[str, float]) -> None:
        """What is recorded while there are figures, for as long as it stays, and then."""
        expect[record, 60] = expect[record, _AWAY - STEP + seconds(limits.GAP_RANGE)] = found
        expect[record, _AWAY + seconds(limits.GAP_RANGE)] = {}

    def falls(value: int) -> str:
        return samples((9, 60), (value, _AWAY - 60), ("stale", STEP))

    for gauge in _GAUGES:
        for at, value in enumerate(told):
            series[f'{gauge}{{queue="a", instance="{at}"}}'] = falls(value)
        series[f'{gauge}{{queue="b", instance="0"}}'] = falls(1)
        record = f"queue:{gauge}:max"
        tell(record, {f'{record}{{queue="a"}}': 5, f'{record}{{queue="b"}}': 1})
    for at, value in enumerate(told):
        series[f'callboard_queue_jobs{{queue="a", state="waiting", instance="{at}"}}'] = falls(value)
        series[f'callboard_queue_jobs{{queue="a", state="failed", instance="{at}"}}'] = falls(value + 1)
    record = "queue_state:callboard_queue_jobs:max"
    tell(record, {f'{record}{{queue="a", state="waiting"}}': 5, f'{record}{{queue="a", state="failed"}}': 6})
    return _group("state of the queues: the maximum over replicas", series, expect)


def _rate(total: str, operation: str) -> dict[str, Any]:
    """300 more at 60 s, seen by two of three."""
    steps = (samples((7, 60), (307, LONG)), samples((9, 60), (309, LONG)), always(8))
    series = {f'{total}_total{{queue="a", actor="x", instance="{at}"}}': step for at, step in enumerate(steps)}
    record, both = f"queue:{total}:rate5m", 2 if operation == "sum" else 1
    return _group(
        f"{record}: the {operation}", series,
        {
            (record, _FLOW): {f'{record}{{queue="a"}}': both},
            (record, _FLOW + STEP): {f'{record}{{queue="a"}}': 0},
        },
    )  # fmt: skip


def _drain() -> list[dict[str, Any]]:
    """Waiting jobs, and rates as they are: 3 + 2 + 1 a second end."""
    record = "queue:callboard_queue_drain_seconds:max"
    ended = "queue:callboard_jobs_ended:rate5m"

    def group(name: str, waiting: int, added: int, drain: str) -> dict[str, Any]:
        rates = {"completed": 3, "failed": 2, "cancelled": 1, "added": added}
        series = {
            f'callboard_jobs_{total}_total{{queue="a"}}': f"0+{number(rate * STEP)}x{LONG // STEP}"
            for total, rate in rates.items()
        }
        series['callboard_queue_jobs{queue="a", state="waiting"}'] = always(waiting)
        series['callboard_queue_jobs{queue="a", state="delayed"}'] = always(999)
        # promtool does not find NaN equal to itself, as nobody does.
        found = (f"{record} != bool {record}", 1.0) if drain == "NaN" else (f"{record} == bool {drain}", 1.0)
        return _group(
            name, series, {(ended, 600): {f'{ended}{{queue="a"}}': 6}, (found[0], 600): {'{queue="a"}': found[1]}}
        )

    return [
        group("the backlog shrinks by 2 a second", 10, 4, "5"),
        group("the backlog grows", 10, 7, "Inf"),
        group("the backlog stands", 10, 6, "Inf"),
        group("nothing waits and nothing changes", 0, 6, "NaN"),
    ]


def _slo() -> list[dict[str, Any]]:
    """Two worker processes; each has 600 jobs at 60 s, of which 450 meet the objective."""
    series = {}
    for count, jobs in (("eligible", 600), ("met", 450)):
        for slo in ("success", "wait"):
            for worker in ("app1-0", "app1-1"):
                series[f'callboard_slo_{count}_total{{queue="a", slo="{slo}", worker="{worker}"}}'] = samples(
                    (5, 60), (5 + jobs, LONG)
                )
    rates = {"queue_slo:callboard_slo_eligible:rate5m": 4.0, "queue_slo:callboard_slo_met:rate5m": 3.0}
    expect: dict[tuple[str, int], dict[str, float]] = {}
    for record, value in rates.items():
        expect[record, _FLOW] = _levels(record, value)
        expect[record, _FLOW + STEP] = _levels(record, 0)
    hour, ratio = "queue_slo:callboard_slo_eligible:increase1h", "queue_slo:callboard_slo_errors:ratio_rate5m"
    expect[hour, _HOUR] = _levels(hour, 1200)
    expect[hour, _HOUR + STEP] = _levels(hour, 0)
    expect[ratio, _FLOW] = _levels(ratio, 0.25)
    return [_group("levels: the sum over workers", series, expect)]


def _levels(record: str, value: float) -> dict[str, float]:
    return {f'{record}{{queue="a", slo="{slo}"}}': value for slo in ("success", "wait")}
