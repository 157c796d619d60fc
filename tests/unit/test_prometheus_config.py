"""deploy/prometheus/prometheus.yml and its copy for compose: taken by promtool, the same but for addresses."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring import prometheus
from monitoring.site import Addresses, Site
from tests.support.process import ROOT

HERE: dict[str, Any] = yaml.safe_load(prometheus.configuration(Site()))
COMPOSE: dict[str, Any] = yaml.safe_load(prometheus.compose_configuration(Site()))

#: Rules, dashboards and the guide know the jobs by these names.
JOBS = ["callboard-exporter", "callboard-workers", "redis", "prometheus", "alertmanager"]


def promtool(path: Path, *options: str) -> str:
    done = subprocess.run(
        ["promtool", "check", "config", *options, path], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def addresses(config: dict[str, Any]) -> set[str]:
    """Every address in it."""
    found = {t for each in config["scrape_configs"] for s in each.get("static_configs", []) for t in s["targets"]}
    found |= {t for each in config["alerting"]["alertmanagers"] for s in each["static_configs"] for t in s["targets"]}
    return found | {
        sd["url"].removeprefix("http://").partition("/")[0]
        for each in config["scrape_configs"]
        for sd in each.get("http_sd_configs", [])
    }


def test_promtool_takes_it_with_its_rules() -> None:
    said = promtool(ROOT / "deploy" / "prometheus" / "prometheus.yml")
    assert f"{len(list((ROOT / 'deploy/prometheus/rules').glob('*.yml')))} rule files found" in said


def test_promtool_takes_the_copy_for_compose() -> None:
    promtool(ROOT / "deploy" / "prometheus" / "prometheus.compose.yml", "--syntax-only")  # its secret is in no tree


@pytest.mark.parametrize("config", [HERE, COMPOSE], ids=["here", "compose"])
def test_the_jobs_have_the_names_that_rules_know(config: dict[str, Any]) -> None:
    assert [each["job_name"] for each in config["scrape_configs"]] == JOBS


def test_here_everything_is_on_loopback_and_asks_for_no_token() -> None:
    assert {each.partition(":")[0] for each in addresses(HERE)} == {"127.0.0.1"}
    assert "authorization" not in prometheus.configuration(Site())


def test_in_compose_addresses_are_services_at_the_ports_that_they_listen_on() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))["services"]
    ports = {"ops-api": "8080", "redis-exporter": "9121", "alertmanager": "9093"}
    assert addresses(COMPOSE) == {"127.0.0.1:9090", *(f"{name}:{port}" for name, port in ports.items())}
    assert set(ports) <= set(services)


def test_in_compose_the_token_goes_to_the_ops_api_alone() -> None:
    exporter, workers, *others = COMPOSE["scrape_configs"]
    shown = {"credentials_file": "/run/secrets/scrape_token"}
    assert exporter["authorization"] == shown
    assert workers["http_sd_configs"][0]["authorization"] == shown
    assert "authorization" not in workers, "workers have no token, and are not to get to know one"
    assert not [each for each in others if "authorization" in each]


@pytest.mark.parametrize(("scale", "interval", "timeout"), [(1, "15s", "10s"), (0.05, "750ms", "500ms")])
def test_time_runs_for_scrapes_as_for_rules(scale: float, interval: str, timeout: str) -> None:
    text = prometheus.configuration(Site(time_scale=scale))
    config = yaml.safe_load(text)
    assert config["global"] == {
        "scrape_interval": interval, "scrape_timeout": timeout, "evaluation_interval": interval,
    }  # fmt: skip
    assert config["scrape_configs"][1]["http_sd_configs"][0]["refresh_interval"] == interval


def test_addresses_are_those_of_the_site() -> None:
    where = Addresses("a:1", "b:2", "c:3", "d:4")
    assert addresses(yaml.safe_load(prometheus.configuration(Site(addresses=where)))) == {"a:1", "b:2", "c:3", "d:4"}
