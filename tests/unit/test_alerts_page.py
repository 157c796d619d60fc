"""docs/reference/alerts.md: a row an alert, with what mutes it, in words."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from monitoring.alerts.listed import alerts
from monitoring.alerts_page import page, said
from monitoring.site import Site
from tests.support.docs import blocks, dead_links, text_of

PAGE = "docs/reference/alerts.md"
TEXT = page(Site())

#: Name, severity, what mutes it.
ROWS = re.findall(r"^\| \[([^\]]+)\]\([^)]+\) \| (\w+) \| [^|]+ \| .+ \| ([^|]+) \|$", TEXT, re.MULTILINE)


def test_every_alert_has_a_row_and_its_expression() -> None:
    known = alerts(Site())
    assert [(name.split()[0], severity) for name, severity, _ in ROWS] == [(each.name, each.severity) for each in known]
    assert sorted(blocks(TEXT, "promql")) == sorted(f"{each.expr}\n" for each in known)


@pytest.mark.parametrize(
    ("name", "by"),
    [
        ("WaitingJobsHigh", "critical alerts of the queue, QueuePaused, RedisDown, ExporterAbsent"),
        ("FailedJobsHigh", "critical alerts of the queue, RedisDown, ExporterAbsent"),
        ("QueuePaused", "RedisDown, ExporterAbsent"),
        ("OldestWaitingTooOld", "QueuePaused, NoWorkers, RedisDown, ExporterAbsent"),
        ("CanaryLate", "QueuePaused, NoWorkers, SchedulerMissing, RedisDown, ExporterAbsent"),
        ("SchedulerMissing", "RedisDown, ExporterAbsent"),
        ("WaitBudgetBurn 1h", "QueuePaused, NoWorkers, RedisDown"),
        ("SuccessBudgetBurn 1h", "RedisDown"),
        ("RedisDown", "–"),
        ("Watchdog", "–"),
    ],
)
def test_what_mutes_an_alert(name: str, by: str) -> None:
    assert {found: muted for found, _, muted in ROWS}[name] == by


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ $labels.queue }} has {{ $value | humanize }}", "`<queue>` has …"),
        ('{{ if eq (printf "%.0f" $value) "+Inf" }}grows{{ else }}takes {{ $value }}{{ end }}.', "takes …."),
        ("plain", "plain"),
    ],
)
def test_templates_are_put_into_words(text: str, words: str) -> None:
    assert said(text) == words


def test_no_template_is_left_over() -> None:
    assert "{{" not in "".join(line for line in TEXT.splitlines() if line.startswith("|"))


def test_how_fast_time_runs_changes_nothing() -> None:
    assert page(replace(Site(), time_scale=0.01)) == TEXT


def test_links_lead_somewhere() -> None:
    assert text_of(PAGE) == TEXT, "run `callboard generate`"
    assert list(dead_links(PAGE)) == []
