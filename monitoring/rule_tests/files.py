"""deploy/prometheus/tests/*.yml: what promtool runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from monitoring.alerts.model import Page
from monitoring.rule_tests import monitoring, queues, recording, redis, schedules, slo, windows, workers
from monitoring.rule_tests.cases import STEP, Case, Links, rendered
from monitoring.rules import HEADER
from monitoring.site import Site
from monitoring.yaml import dump

#: Page -> what makes its cases, and where its alerts lead.
CASES: Mapping[Page, tuple[Callable[[Site], list[Case]], Links]] = {
    "queues": (queues.cases, queues.LINKS),
    "slo": (slo.cases, slo.LINKS),
    "workers": (workers.cases, workers.LINKS),
    "schedules": (schedules.cases, schedules.LINKS),
    "redis": (redis.cases, redis.LINKS),
    "monitoring": (monitoring.cases, monitoring.LINKS),
}

_SCALED = "# For the rules at their own speed: another --time-scale changes nothing here.\n\n"


def alerts_file(page: Page) -> Callable[[Site], str]:
    """What makes the tests of the alerts of ``page``."""

    def made(site: Site) -> str:
        site = replace(site, time_scale=1.0)
        cases, links = CASES[page]
        value = {
            "rule_files": [f"../rules/{page}.yml"],
            "evaluation_interval": f"{STEP}s",
            "tests": [rendered(case, links, site) for case in cases(site)],
        }
        return HEADER.format(source=f"monitoring/rule_tests/{page}.py").rstrip() + "\n" + _SCALED + dump(value)

    return made


def _recordings(made: Callable[[], dict[str, object]], source: str) -> Callable[[Site], str]:
    def text(_: Site) -> str:
        value = {"rule_files": ["../rules/recording.yml"], **made()}
        return HEADER.format(source=f"monitoring/rule_tests/{source}.py").rstrip() + "\n" + _SCALED + dump(value)

    return text


#: Path from the root of the source tree -> what makes it.
TESTS: dict[str, Callable[[Site], str]] = {
    "deploy/prometheus/tests/recording.yml": _recordings(recording.tests, "recording"),
    "deploy/prometheus/tests/windows.yml": _recordings(windows.tests, "windows"),
    **{f"deploy/prometheus/tests/{page}.yml": alerts_file(page) for page in CASES},
}
