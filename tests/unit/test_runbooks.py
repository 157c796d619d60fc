"""Every alert has its runbook, whose commands parse, whose queries name metrics that there are, whose links lead on."""

from __future__ import annotations

import json
import re
import shlex
from itertools import takewhile
from typing import Any

import click
import pytest

from monitoring import limits
from monitoring.alerts.listed import alerts
from monitoring.alerts.model import Alert
from monitoring.names import metrics_in
from monitoring.site import Site
from tests.support.docs import ROOT, blocks, dead_links, parsed, sections, text_of

SITE = Site()
ALERTS: dict[str, list[Alert]] = {}
for _alert in alerts(SITE):
    ALERTS.setdefault(_alert.name, []).append(_alert)

INDEX = "docs/runbooks/README.md"
PAGES = {path.stem: f"docs/runbooks/{path.name}" for path in sorted((ROOT / "docs/runbooks").glob("*.md"))}
del PAGES["README"]
TEXTS = {name: text_of(path) for name, path in PAGES.items()}

#: Alert -> what is below its heading.
RUNBOOKS = {name: below for text in TEXTS.values() for name, below in sections(text, 2)}

PARTS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]

#: What runbooks may tell an operator to type, beside ``callboard``.
OTHERS = {
    "QUEUE", "SCHEDULE", "PROMETHEUS", "EXPORTER", "export", "source", "redis-cli", "redis-check-aof", "curl", "ps",
    "kill", "py-spy", "amtool", "promtool", "docker",
}  # fmt: skip

#: Metrics of others: redis_exporter, Prometheus, Alertmanager, prometheus_client.
FOREIGN = re.compile(r"(redis|alertmanager|process)_\w+|up|ALERTS")

#: Documented names: the first cell of each row.
METRICS = set(re.findall(r"^\| `([^`]+)` \|", text_of("docs/reference/metrics.md"), re.MULTILINE))

_UNITS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}

#: Alert -> numbers that its Meaning must name, as they stand in the code.
NUMBERS = {
    "FailedJobsHigh": ["(100)"], "WaitingJobsHigh": ["(10,000)"], "DelayedJobsHigh": ["(5,000)"],
    "ActiveJobsHigh": ["(1,000)"],
    "OldestWaitingTooOld": [{2: "twice"}[limits.OLDEST_WAITING_TARGETS]],
    "JobStuck": [f"{limits.STUCK_TIME_LIMITS:g} times"],
    "BacklogGrowing": [f"{limits.DRAIN_SECONDS // 60} minutes"],
    "RetryStorm": [f"{limits.RETRY_SHARE * 100:g} %", {1: "one a second"}[limits.RETRIES_PER_SECOND]],
    "StalledJobs": [f"more than {limits.STALLS} ", "15 minutes"],
    "SuccessBudgetBurn": [f"{limits.ELIGIBLE_AN_HOUR} jobs"], "WaitBudgetBurn": [f"{limits.ELIGIBLE_AN_HOUR} jobs"],
    "WorkersStalled": [f"{limits.HEARTBEAT_SECONDS} seconds"], "WorkersSaturated": [f"{limits.BUSY_SHARE * 100:g} %"],
    "SchedulerMissing": [f"{limits.TICK_SECONDS} seconds"], "ScheduleOverdue": [f"{limits.SCHEDULE_SECONDS} seconds"],
    "CanaryLate": [{2: "twice"}[limits.OLDEST_WAITING_TARGETS], f"{limits.CANARY_SECONDS} seconds"],
    "OutboxStuck": ["10 minutes"], "RedisMemoryHigh": [f"{limits.MEMORY_SHARE * 100:g} %"],
    "RedisEvicting": ["within 5 minutes"],
}  # fmt: skip


def in_words(duration: str) -> str:
    """A duration of one unit as a page says it: ``1 minute``, ``15 minutes``."""
    number, unit = int(duration[:-1]), _UNITS[duration[-1]]
    return f"{number} {unit}{'' if number == 1 else 's'}"


def flat(text: str) -> str:
    return " ".join(text.split())


def commands(text: str) -> list[str]:
    """The lines of a page that are to be typed."""
    return [line for block in blocks(text, "sh") for line in block.splitlines() if line and not line.startswith("#")]


def test_each_alert_has_one_heading_on_its_page_and_nothing_else_has_one() -> None:
    headings = {(page, heading) for page, text in TEXTS.items() for heading, _ in sections(text, 2)}
    count = sum(len(sections(text, 2)) for text in TEXTS.values())
    assert headings == {(alert.page, alert.name) for alert in alerts(SITE)}
    assert count == len(headings), "a heading is there twice"


@pytest.mark.parametrize("name", ALERTS)
def test_the_link_of_an_alert_leads_to_its_heading(name: str) -> None:
    for alert in ALERTS[name]:
        page, _, anchor = alert.annotations(SITE)["runbook_url"].removeprefix(f"{SITE.runbooks_url}/").partition("#")
        assert anchor in [heading.lower() for heading, _ in sections(TEXTS[page], 2)]


@pytest.mark.parametrize("name", ALERTS)
def test_a_runbook_begins_with_a_command_and_has_its_four_parts(name: str) -> None:
    first, *_ = RUNBOOKS[name].strip().splitlines()
    assert first == "```sh", "the first command comes first"
    parts = sections(RUNBOOKS[name], 3)
    assert [heading for heading, _ in parts] == PARTS
    for heading, below in parts:
        assert below.strip(), f"{heading} is empty"
    told = dict(parts)
    assert "Panels:" in told["Diagnosis"], "the panels to look at"
    assert blocks(told["Diagnosis"], "promql"), "the queries to look at"
    assert commands(told["Mitigation"]), "what to do"
    assert re.search(r"[Ss]ilence", told["Mitigation"]), "when it may be silenced"


@pytest.mark.parametrize("name", ALERTS)
def test_the_meaning_has_the_numbers_of_the_rule(name: str) -> None:
    meaning = flat(dict(sections(RUNBOOKS[name], 3))["Meaning"])
    hold = ALERTS[name][0].hold
    if name not in ("StalledJobs", "RedisEvicting"):  # they tell at once what was counted over a range
        assert (f"for {in_words(hold)}" if hold else "at once") in meaning
    for number in NUMBERS.get(name, []):
        assert number in meaning.lower(), f"{number} is not in: {meaning}"


def test_the_windows_of_budgets_are_as_in_the_rules() -> None:
    for burn in limits.BURNS:
        days = limits.BUDGET_DAYS / burn.factor
        lasts = f"{days * 24:g} hours" if days < 3 else f"{days:g} days"
        row = f"| `{burn.long}` | {in_words(burn.short)} | more than {burn.factor:g} % | {burn.severity} | {lasts} |"
        assert row in TEXTS["slo"], f"docs/runbooks/slo.md should have the row\n{row}"


def test_the_index_names_every_alert_with_its_severity_and_page() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(([^)]+)\) \| ([\w ]+) \| (\w+) \|", text_of(INDEX), re.MULTILINE)
    expected = {
        name: (f"{same[0].page}.md#{name.lower()}", " or ".join(dict.fromkeys(a.severity for a in same)), same[0].page)
        for name, same in ALERTS.items()
    }
    assert {name: tuple(rest) for name, *rest in rows} == expected


ALL_COMMANDS = sorted({line for text in (*TEXTS.values(), text_of(INDEX)) for line in commands(text)})


@pytest.mark.parametrize("line", ALL_COMMANDS)
def test_a_command_is_one_that_there_is(line: str) -> None:
    words = shlex.split(line)
    while re.fullmatch(r"CALLBOARD_\w+=.*", words[0]):
        words.pop(0)
    if "callboard" in words:  # it may run in a container
        parsed(list(takewhile(lambda word: word != "|", words[words.index("callboard") + 1 :])))
    else:
        assert words[0].partition("=")[0] in OTHERS
    if words[0] == "redis-cli":
        assert words[1:3] == ["-u", "$REDIS_URL"]


def test_a_command_that_is_not_there_is_found() -> None:
    for wrong in ("jobs retry q --everything", "jobs lst $QUEUE", "queues clean $QUEUE --state failed", "queue"):
        with pytest.raises(click.UsageError):
            parsed(shlex.split(wrong))
    with pytest.raises(AssertionError):
        parsed(shlex.split("jobs retry $QUEUE"))
    with pytest.raises(AssertionError):
        parsed(shlex.split("queues resume emails"))


QUERIES = sorted({query for text in TEXTS.values() for query in blocks(text, "promql")})


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_parses_and_names_metrics_that_there_are(query: str) -> None:
    for name in metrics_in(query):
        series = re.sub(r"_(bucket|sum|count)$", "", name)
        assert FOREIGN.fullmatch(name) or name in METRICS or series in METRICS, f"{name} is not in metrics.md"


#: Dashboard, as runbooks call it -> its uid.
DASHBOARDS = {
    "Fleet": "callboard-fleet", "Queue": "callboard-queue", "Actor": "callboard-actor", "Workers": "callboard-workers",
    "Schedules": "callboard-schedules", "SLO": "callboard-slo", "Redis": "callboard-redis",
    "Alerting": "callboard-alerting",
}  # fmt: skip


def titles(panels: list[dict[str, Any]]) -> set[str]:
    """The titles of panels, those within rows as well."""
    return {panel.get("title", "") for panel in panels} | {t for p in panels for t in titles(p.get("panels", []))}


PANELS = sorted({each for text in TEXTS.values() for each in re.findall(r"\*(\w+) \u203a ([^*]+)\*", flat(text))})


@pytest.mark.parametrize(("dashboard", "panel"), PANELS)
def test_a_panel_is_one_that_there_is(dashboard: str, panel: str) -> None:
    board = json.loads(text_of(f"deploy/grafana/dashboards/{DASHBOARDS[dashboard]}.json"))
    assert panel in titles(board["panels"])


@pytest.mark.parametrize("path", [*PAGES.values(), INDEX])
def test_links_lead_somewhere(path: str) -> None:
    assert list(dead_links(path)) == []
