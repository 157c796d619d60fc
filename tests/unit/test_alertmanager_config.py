"""Alertmanager's configuration: accepted by its own tools, every alert on its way to the right people, none mentioned
that no rule makes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from middleware.metrics import families
from monitoring import alertmanager, recording
from monitoring.alerts.listed import alerts
from monitoring.alerts.model import Alert
from monitoring.names import metrics_in
from monitoring.site import Addresses, Site
from tests.support.alertmanager import amtool, render, write_configuration
from tests.support.process import ROOT

#: Severity -> who hears of it. Together with the two below, every receiver there is.
REACHED = {"critical": ["callboard", "critical"], "warning": ["callboard", "warning"], "none": ["dead-man"]}

#: Receiver -> the kinds of its channels.
CHANNELS = {
    "unsorted": {"slack_configs"},
    "dead-man": {"webhook_configs"},
    "callboard": {"webhook_configs"},
    "critical": {"pagerduty_configs", "slack_configs"},
    "warning": {"slack_configs", "email_configs"},
}

ALERTS = {(each.name, each.severity): each for each in alerts(Site())}.values()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated files, and the script beside them."""
    return write_configuration(tmp_path_factory.mktemp("alertmanager"), Site())


@pytest.fixture(scope="module")
def configuration(folder: Path) -> dict[str, Any]:
    """The file, parsed."""
    found: dict[str, Any] = yaml.safe_load((folder / "alertmanager.yml").read_text(encoding="utf-8"))
    return found


def amlint(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "amlint.cli", *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )


def reached(file: Path, **labels: str) -> list[str]:
    """The receivers of an alert with these labels."""
    given = [f"{name}={value}" for name, value in labels.items()]
    done = amtool("config", "routes", "test", f"--config.file={file}", *given)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split(",")


def names_in(matchers: list[str]) -> Iterator[str]:
    """The alerts that matchers name."""
    for matcher in matchers:
        found = re.fullmatch(r'alertname=~?"([^"]+)"', matcher)
        if found:
            yield from found[1].split("|")


@pytest.mark.parametrize("scale", [1.0, 0.01])
def test_amtool_accepts_it_with_its_templates(tmp_path: Path, scale: float) -> None:
    there = write_configuration(tmp_path, Site(time_scale=scale))
    done = amtool("check-config", str(there / "alertmanager.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((there / "templates").iterdir())) == 4


def test_amlint_finds_nothing_not_even_a_hint() -> None:
    """Beside our own rules: it also says when a route or an inhibition names an alert that no rule makes."""
    done = amlint(
        "check",
        "--strict",
        "--format=json",
        "--rules=deploy/prometheus/rules/*.yml",
        "deploy/alertmanager/alertmanager.yml",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == []


def test_the_table_names_every_receiver(configuration: dict[str, Any]) -> None:
    channels = {each["name"]: set(each) - {"name"} for each in configuration["receivers"]}
    assert channels == CHANNELS
    assert {name for names in REACHED.values() for name in names} | {"unsorted"} == set(channels)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda each: f"{each.name}-{each.severity}")
def test_every_alert_reaches_whom_its_severity_says(folder: Path, alert: Alert) -> None:
    queue = {"queue": "data-export"} if alert.about == "queue" else {}
    labels = {"alertname": alert.name, "severity": alert.severity, **queue}
    assert reached(folder / "alertmanager.yml", **labels) == REACHED[alert.severity]


def test_an_alert_without_a_known_severity_is_not_lost(folder: Path) -> None:
    assert reached(folder / "alertmanager.yml", alertname="New", severity="odd") == ["callboard", "unsorted"]
    assert reached(folder / "alertmanager.yml", alertname="New") == ["callboard", "unsorted"]


def test_the_watchdog_goes_nowhere_else(folder: Path) -> None:
    assert reached(folder / "alertmanager.yml", alertname="Watchdog", severity="none") == ["dead-man"]


def test_alerts_are_grouped_by_name_and_queue(configuration: dict[str, Any]) -> None:
    assert configuration["route"]["group_by"] == ["alertname", "queue"]


def test_every_alert_that_is_named_is_made_by_a_rule(configuration: dict[str, Any]) -> None:
    named = set(names_in(configuration["route"]["routes"][0]["matchers"]))
    for rule in configuration["inhibit_rules"]:
        named |= {*names_in(rule["source_matchers"]), *names_in(rule["target_matchers"])}
    assert named >= {"Watchdog", "QueuePaused", "RedisDown", "ExporterAbsent"}
    assert named <= {each.name for each in ALERTS}


def test_what_a_pause_explains_is_about_a_queue_and_what_an_outage_explains_is_not() -> None:
    about = {each.name: each.about for each in ALERTS}
    assert {about[name] for name in alertmanager.PAUSE_EXPLAINS} == {"queue"}
    assert {about[name] for name in alertmanager.NOBODY_EXPLAINS} == {"queue"}
    assert "queue" not in {about[name] for name in alertmanager.OUTAGE_EXPLAINS}


def test_what_workers_tell_is_what_uses_no_figure_of_the_exporter() -> None:
    """With the exporter away these alerts are as right as ever; all others of a queue have ended."""
    recorded = {rule.record: rule.expr for group in recording.groups(Site()) for rule in group.rules}

    def metrics(expr: str) -> set[str]:
        return {each for name in metrics_in(expr) for each in (metrics(recorded[name]) if name in recorded else [name])}

    of_workers = {family.exposed for family in families.FAMILIES}
    told = {each.name for each in ALERTS if each.about == "queue" and metrics(each.expr) <= of_workers}
    assert told == set(alertmanager.TOLD_BY_WORKERS)


def test_the_scale_of_time_changes_durations_and_nothing_else() -> None:
    words = [alertmanager.configuration(Site(time_scale=scale)).split() for scale in (1, 0.5)]
    assert len(words[0]) == len(words[1])
    different = [pair for pair in zip(*words, strict=True) if pair[0] != pair[1]]
    assert different
    assert all(re.fullmatch(r"\d+(ms|s|m|h)", word) for pair in different for word in pair), different


def test_no_secret_is_in_it(folder: Path) -> None:
    text = (folder / "alertmanager.yml").read_text(encoding="utf-8")
    words = re.findall(r"(?m)^\s*-? ?(\w*(?:password|key|secret|credentials|token|api_url)\w*):", text)
    assert words
    assert all(word.endswith("_file") for word in words), words


# -- render ---------------------------------------------------------------------------------------------------


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder with every secret."""
    found = tmp_path / "secrets"
    found.mkdir()
    for name, text in {
        "slack_api_url": "https://hooks.slack.com/services/T/B/C",
        "pagerduty_routing_key": "0123456789abcdef0123456789abcdef",
        "dead_man_url": "https://dead.example/ping?a=1&b=x|y",
        "callboard_token": "t0ken",
    }.items():
        (found / name).write_text(text + "\n", encoding="utf-8")
    return found


MAIL = {
    "ALERTMANAGER_EMAIL_TO": "ops@example.org", "ALERTMANAGER_EMAIL_FROM": "alerts@example.org",
    "ALERTMANAGER_SMTP": "smtp.example.org:587", "ALERTMANAGER_SMTP_USERNAME": "alerts",
}  # fmt: skip


def rendered(folder: Path, secrets: Path, **environment: str) -> tuple[dict[str, Any], str, str]:
    """What the script printed, parsed and as it is, and what it said."""
    done = render(folder, secrets, environment)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout), done.stdout, done.stderr


def test_values_of_the_place_are_put_in(folder: Path, secrets: Path, tmp_path: Path) -> None:
    found, text, told = rendered(
        folder, secrets, ALERTMANAGER_CALLBOARD_URL="http://ops-api:8080",
        ALERTMANAGER_PAGERDUTY_URL="https://events.eu.pagerduty.com/v2/enqueue", **MAIL,
    )  # fmt: skip
    receivers = {each["name"]: each for each in found["receivers"]}
    assert told == ""
    assert {name: set(each) - {"name"} for name, each in receivers.items()} == CHANNELS
    assert receivers["dead-man"]["webhook_configs"][0]["url"] == "https://dead.example/ping?a=1&b=x|y"
    assert receivers["callboard"]["webhook_configs"][0]["url"] == "http://ops-api:8080/api/alerts"
    assert found["global"]["pagerduty_url"] == "https://events.eu.pagerduty.com/v2/enqueue"
    assert found["global"]["slack_api_url_file"] == f"{secrets}/slack_api_url"
    assert found["global"]["smtp_smarthost"] == "smtp.example.org:587"
    assert receivers["warning"]["email_configs"][0]["to"] == "ops@example.org"
    assert found["templates"] == [f"{folder}/templates/*.tmpl"]
    assert ".invalid" not in text
    file = tmp_path / "out.yml"
    file.write_text(text, encoding="utf-8")
    assert amtool("check-config", str(file)).returncode == 0


@pytest.mark.parametrize(
    ("missing", "channel"),
    [
        ("slack_api_url", "slack"), ("pagerduty_routing_key", "pagerduty"), ("dead_man_url", "dead-man"),
        ("callboard_token", "callboard"), ("", "email"),
    ],
)  # fmt: skip
def test_a_channel_that_nobody_set_up_is_left_out_and_named(
    folder: Path, secrets: Path, missing: str, channel: str
) -> None:
    if missing:
        (secrets / missing).unlink()
    found, text, told = rendered(folder, secrets, **(MAIL if missing else {}))
    assert told.startswith(f"render: {channel} is off: ")
    assert len(told.splitlines()) == 1
    assert f"begin {channel}" not in text
    assert [each["name"] for each in found["receivers"]] == list(CHANNELS)
    others = {kind for each in found["receivers"] for kind in each if kind != "name"}
    assert len(others) == (4 if channel in ("dead-man", "callboard") else 3)


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb"])
def test_a_value_that_would_break_the_file_is_refused(folder: Path, secrets: Path, value: str) -> None:
    (secrets / "dead_man_url").write_text(value, encoding="utf-8")
    done = render(folder, secrets, {})
    assert (done.returncode, done.stdout) == (1, "")
    assert "has a quote, a backslash or a line end" in done.stderr


def test_email_needs_a_sender_and_a_server(folder: Path, secrets: Path) -> None:
    done = render(folder, secrets, {"ALERTMANAGER_EMAIL_TO": "ops@example.org"})
    assert done.returncode != 0
    assert "ALERTMANAGER_EMAIL_FROM" in done.stderr
    assert done.stdout == ""


def test_another_place_of_the_ops_api_is_generated_in() -> None:
    site = Site(addresses=Addresses(ops_api="ops-api:8080"))
    assert 'url: "http://ops-api:8080/api/alerts"' in alertmanager.configuration(site)


def test_every_value_of_the_script_is_documented() -> None:
    page = (ROOT / "deploy/alertmanager/README.md").read_text(encoding="utf-8")
    script = (ROOT / "deploy/alertmanager/render").read_text(encoding="utf-8")
    variables = set(re.findall(r"\$\{(ALERTMANAGER_\w+)|\$(ALERTMANAGER_\w+)", script))
    files = set(re.findall(r"\$secrets/(\w+)", script)) | {"smtp_password"}
    names = {first or second for first, second in variables} | files
    assert set(re.findall(r"^\| `(\w+_\w+)` \|", page, re.MULTILINE)) == names
