"""What a test of an alert is, and how promtool reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from monitoring.alerts.model import Page
from monitoring.site import Site

#: firing: it fires when it should. silent: it does not for what is near but right. boundary: exactly the threshold, or
#: a moment too short, is silent. resolved: it ends with its cause.
Kind = Literal["firing", "silent", "boundary", "resolved"]
KINDS: tuple[Kind, ...] = ("firing", "silent", "boundary", "resolved")

#: Between two samples, and two evaluations (seconds).
STEP = 15

#: How long a case goes on where nothing is to change any more (seconds).
LONG = 7_200


@dataclass(frozen=True, slots=True)
class Fires:
    """An alert that is expected: all its labels but its name, and what it says."""

    labels: Mapping[str, str]
    summary: str
    description: str


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario. ``series``: name with labels -> samples, from time 0 on. ``expect``: time (seconds) -> what fires."""

    alert: str
    kind: Kind
    why: str
    series: Mapping[str, str]
    expect: Mapping[int, Sequence[Fires]]


@dataclass(frozen=True, slots=True)
class Links:
    """Where the alerts of a page lead."""

    page: Page
    dashboards: Mapping[str, str]

    def of(self, alert: str, fires: Fires, site: Site) -> dict[str, str]:
        """The annotations that hold links."""
        queue = f"?var-queue={fires.labels['queue']}" if "queue" in fires.labels else ""
        return {
            "runbook_url": f"{site.runbooks_url}/{self.page}#{alert.lower()}",
            "dashboard_url": f"{site.grafana_url}/d/{self.dashboards[alert]}{queue}",
        }


def samples(*held: tuple[float | str, int]) -> str:
    """Values and for how long (seconds) each is sampled. ``"stale"``: the series ends; ``"_"``: no sample."""
    parts = []
    for value, seconds in held:
        more = seconds // STEP - 1
        if isinstance(value, str):
            parts.append(" ".join([value] * (more + 1)))
        else:
            parts.append(f"{number(value)}+0x{more}" if more else number(value))
    return " ".join(parts)


def always(value: float) -> str:
    """One value for as long as any case goes on."""
    return samples((value, LONG))


def behind(seconds: float, until: int = LONG) -> str:
    """A timestamp that is always so many seconds ago."""
    return f"-{number(seconds)}+{STEP}x{until // STEP - 1}"


def cut(values: str, last: int) -> str:
    """Samples up to the first at or after ``last`` seconds: what follows is never looked at."""
    left, kept = last // STEP + 2, []
    for part in values.split():
        start, times, more = part.partition("x")
        count = int(more) + 1 if times else 1
        kept.append(f"{start}x{left - 1}" if count > left else part)
        left -= count
        if left <= 0:
            break
    return " ".join(kept)


def number(value: float) -> str:
    """A number as promtool reads it."""
    return str(int(value)) if value == int(value) else repr(value)


def seconds(duration: str) -> int:
    """A duration of ``limits`` in seconds."""
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[duration[-1]]


def rendered(case: Case, links: Links, site: Site) -> dict[str, Any]:
    """The case as a test group of promtool."""
    last = max(case.expect)
    return {
        "name": f"{case.alert}, {case.kind}: {case.why}",
        "interval": f"{STEP}s",
        "input_series": [{"series": series, "values": cut(values, last)} for series, values in case.series.items()],
        "alert_rule_test": [
            {
                "eval_time": f"{at}s",
                "alertname": case.alert,
                "exp_alerts": [
                    {
                        "exp_labels": dict(each.labels),
                        "exp_annotations": {
                            "summary": each.summary,
                            "description": each.description,
                            **links.of(case.alert, each, site),
                        },
                    }
                    for each in fires
                ],
            }
            for at, fires in case.expect.items()
        ],
    }
