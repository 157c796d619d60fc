"""deploy/compose.yaml, as far as it can be judged without Docker: its form, and that what it names is there."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from actors.alerts.settings import PREFIX as ALERTS
from actors.alerts.settings import AlertSettings
from callboard.cli.environment import variable_of
from callboard.settings import Settings
from ops_api.settings import PREFIX, OpsSettings
from tests.support.process import ROOT

DEPLOY = ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

#: Made by deploy/prepare, never committed.
SECRETS = "./secrets/"

#: Every environment variable that the application reads, but for those of job types.
VARIABLES = {
    *(variable_of(field) for field in Settings.model_fields),
    *(f"{PREFIX}{field.upper()}" for field in OpsSettings.model_fields),
    *(f"{ALERTS}{field.upper()}" for field in AlertSettings.model_fields),
}


def mounts() -> list[tuple[str, str, str]]:
    """Service, path on the host, path in the container."""
    return [
        (name, *volume.split(":")[:2])
        for name, service in SERVICES.items()
        for volume in service.get("volumes", [])
        if volume.startswith(".")
    ]


def test_it_is_as_the_specification_of_compose_says() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [checker, "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_of_the_set_is_there() -> None:
    assert set(SERVICES) == {
        "valkey", "workers", "ops-api", "redis-exporter", "prometheus", "alertmanager", "grafana",
    }  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_restarted_and_gets_no_more_rights_than_it_has(name: str) -> None:
    service = SERVICES[name]
    tag = service["image"].partition(":")[2]
    assert re.search(r"\d+\.\d+", tag), f"{service['image']} names no version"
    assert service["restart"] == "unless-stopped"
    assert "no-new-privileges:true" in service["security_opt"]
    assert "privileged" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_published_is_on_loopback(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port), port
    assert "network_mode" not in SERVICES[name]


def test_redis_is_in_a_network_without_a_way_out_and_publishes_nothing() -> None:
    assert SERVICES["valkey"]["networks"] == ["data"]
    assert COMPOSE["networks"]["data"]["internal"] is True
    assert "ports" not in SERVICES["valkey"]


@pytest.mark.parametrize(("name", "host", "_inside"), mounts())
def test_what_is_mounted_is_there_and_cannot_be_written(name: str, host: str, _inside: str) -> None:
    assert (DEPLOY / host).exists(), f"{name} mounts {host}"
    assert any(volume.startswith(f"{host}:") and volume.endswith(":ro") for volume in SERVICES[name]["volumes"])


def test_named_volumes_networks_and_secrets_are_declared_and_used() -> None:
    used = {kind: set() for kind in ("volumes", "networks", "secrets")}  # type: dict[str, set[str]]
    for service in SERVICES.values():
        used["volumes"] |= {v.split(":")[0] for v in service.get("volumes", []) if not v.startswith(".")}
        used["networks"] |= set(service["networks"])
        used["secrets"] |= set(service.get("secrets", []))
    for kind, names in used.items():
        assert names == set(COMPOSE[kind]), kind


def test_secrets_come_from_files_that_prepare_makes_and_git_ignores(tmp_path: Path) -> None:
    files = {secret["file"] for secret in COMPOSE["secrets"].values()}
    assert all(file.startswith(SECRETS) for file in files)
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()

    script = tmp_path / "prepare"
    script.write_bytes((DEPLOY / "prepare").read_bytes())
    script.chmod(0o755)
    subprocess.run([script], check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert {f"{SECRETS}{name}" for name in made} == files
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    random = [text for text in made.values() if text]
    assert len(set(random)) == len(random) == 4
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in random)

    (tmp_path / "secrets" / "slack_api_url").write_text("https://hooks.slack.com/services/T/B/x")
    subprocess.run([script], check=True, capture_output=True)
    again = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert again == {**made, "slack_api_url": "https://hooks.slack.com/services/T/B/x"}, "nothing is made twice"


def test_a_service_that_reads_a_secret_has_it() -> None:
    for name, service in SERVICES.items():
        text = json.dumps([service.get(part) for part in ("command", "environment", "healthcheck")])
        read = set(re.findall(r"/run/secrets/(\w+)", text))
        assert read <= set(service.get("secrets", [])), name


def test_every_variable_of_ours_is_a_setting() -> None:
    for name in ("workers", "ops-api"):
        assert set(SERVICES[name]["environment"]) <= VARIABLES, name
    entrypoint = (DEPLOY / "entrypoint").read_text(encoding="utf-8")
    assert set(re.findall(r"(?m)^from_file (\w+)", entrypoint)) == {"REDIS_PASSWORD", "CALLBOARD_METRICS_ADVERTISE"}
    assert {"REDIS_PASSWORD", "CALLBOARD_METRICS_ADVERTISE"} <= VARIABLES


def test_depends_on_names_services_that_tell_how_they_are() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}, name
            assert "healthcheck" in SERVICES[other], f"{name} waits for {other}"


def test_workers_have_ten_seconds_more_to_end_than_their_jobs() -> None:
    workers = SERVICES["workers"]
    grace = float(workers["command"][workers["command"].index("--grace") + 1])
    assert float(workers["stop_grace_period"].removesuffix("s")) == grace + 10


def test_the_password_reaches_valkey_through_its_standard_input(tmp_path: Path) -> None:
    """The command of the service, with a server that shows what it is given instead."""
    secret, conf, tool = tmp_path / "redis_password", tmp_path / "valkey.conf", tmp_path / "valkey-server"
    secret.write_text("s3cret")
    conf.write_text("port 0\n")
    tool.write_text('#!/bin/sh\necho "$@"\ncat\n')
    tool.chmod(0o755)
    [command] = SERVICES["valkey"]["command"]
    command = command.replace("$$", "$").replace("/run/secrets/redis_password", str(secret))
    command = command.replace("/etc/valkey/valkey.conf", str(conf))
    done = subprocess.run(
        [*SERVICES["valkey"]["entrypoint"], command], capture_output=True, text=True, check=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.stdout.splitlines() == ["-", "port 0", "requirepass s3cret"]


def test_the_entrypoint_takes_secrets_from_files_unless_they_are_set(tmp_path: Path) -> None:
    secret, script = tmp_path / "redis_password", tmp_path / "entrypoint"
    secret.write_text("it's $HOME")
    text = (DEPLOY / "entrypoint").read_text(encoding="utf-8").replace("/run/secrets/redis_password", str(secret))
    script.write_text(text)
    for env, expected in (({}, "it's $HOME"), ({"REDIS_PASSWORD": "given"}, "given")):
        done = subprocess.run(
            ["sh", script, "printenv", "REDIS_PASSWORD"], capture_output=True, text=True, check=True,
            env={"PATH": os.environ["PATH"], **env},
        )  # fmt: skip
        assert done.stdout.rstrip("\n") == expected


def test_what_the_image_copies_is_there_and_goes_to_the_build() -> None:
    copied = [
        word
        for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    ]
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[1] == "*", "nothing goes to the build that is not named"
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied)
    for name in copied:
        assert (ROOT / name).exists(), name
