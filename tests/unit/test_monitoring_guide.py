"""docs/guides/monitoring.md says what is: scrape jobs, commands, settings, figures of budgets, links."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml

from monitoring import limits, prometheus
from monitoring.site import Site
from tests.support.docs import blocks, dead_links, parsed, text_of

PAGE = "docs/guides/monitoring.md"
TEXT = text_of(PAGE)


def test_the_scrape_jobs_are_those_of_the_generated_configuration() -> None:
    whole = yaml.safe_load(prometheus.configuration(Site()))["scrape_configs"]
    shown = yaml.safe_load(blocks(TEXT, "yaml")[0])["scrape_configs"]
    assert shown == [job for job in whole if job["job_name"] in [each["job_name"] for each in shown]]
    assert len(shown) == 3


def test_the_commands_are_ones_that_there_are() -> None:
    indented = "\n".join(line[4:] for line in TEXT.splitlines() if line.startswith("    ")).replace("\\\n", " ")
    lines = [shlex.split(line) for line in indented.splitlines() if re.match(r"(\w+=\S+ )?callboard ", line)]
    assert len(lines) == 2
    for words in lines:
        parsed(words[words.index("callboard") + 1 :])


@pytest.mark.parametrize("name", sorted(set(re.findall(r"CALLBOARD_[A-Z_]+", TEXT))))
def test_settings_are_documented(name: str) -> None:
    assert f"`{name}`" in text_of("docs/reference/settings.md") + text_of("docs/job-types/alerts.md")


def test_the_table_of_burn_rates_is_right() -> None:
    row = r"^\| (all of them|\d+ %)[^|]* \| (\d+) \| ([\d.]+) (hours|days) \| ([^|]+) \|$"
    rows = re.findall(row, TEXT, re.MULTILINE)
    assert len(rows) == 4
    for share, burn, lasts, unit, told in rows:
        part = 1.0 if share == "all of them" else int(share.split()[0]) / 100
        assert int(burn) == round(part / 0.01), share
        days = limits.BUDGET_DAYS / int(burn)
        assert float(lasts) == round(days * (24 if unit == "hours" else 1), 1), share
        if found := re.match(r"([\d.]+) (minutes|hours): ([\d.]+) × over (?:an hour|a day|(\d+) hours)", told):
            first = min(_after_hours(each, part) for each in limits.BURNS if each.factor * 0.01 < part)
            hours = float(found[1]) / (60 if found[2] == "minutes" else 1)
            assert hours == pytest.approx(first, rel=0.05), share
            assert float(found[3]) in [each.factor for each in limits.BURNS if _after_hours(each, part) == first]


def _after_hours(burn: limits.Burn, part: float) -> float:
    """When a burn alert fires after ``part`` of all jobs began to fail, traffic being even."""
    long = {"1h": 1, "6h": 6, "1d": 24, "3d": 72}[burn.long]
    return round(long * burn.factor * 0.01 / part, 6)


def test_links_lead_somewhere() -> None:
    assert list(dead_links(PAGE)) == []
