"""Ports and folder of bin/monitoring: given, usual, or free; and what it says when one cannot be had."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from demo.monitoring.command import main
from demo.monitoring.folder import Folder, InUse
from demo.monitoring.places import HOST, USUAL_PORTS, PortTaken, choose_ports
from tests.support.redis_server import free_port


def test_every_program_gets_a_port_of_its_own() -> None:
    chosen = choose_ports(dict.fromkeys(USUAL_PORTS, 0))
    assert set(chosen) == set(USUAL_PORTS)
    assert len(set(chosen.values())) == len(chosen)


def test_a_given_port_is_taken() -> None:
    port = free_port()
    assert choose_ports({**dict.fromkeys(USUAL_PORTS, 0), "prometheus": port})["prometheus"] == port


def test_a_usual_port_that_is_in_use_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setitem(USUAL_PORTS, "grafana", taken)
        chosen = choose_ports({name: 0 for name in USUAL_PORTS if name != "grafana"})
    assert chosen["grafana"] != taken


def test_a_given_port_that_is_in_use_is_refused_by_name() -> None:
    with socket.create_server((HOST, 0)) as other:
        taken = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {taken} of 127.0.0.1, for prometheus, is in use"):
            choose_ports({**dict.fromkeys(USUAL_PORTS, 0), "prometheus": taken})


def test_one_port_is_not_for_two() -> None:
    port = free_port()
    with pytest.raises(PortTaken):
        choose_ports({**dict.fromkeys(USUAL_PORTS, 0), "prometheus": port, "alertmanager": port})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("prometeus=9090", "the names are ops-api, prometheus"),
        ("prometheus", "a port is a number up to 65535"),
        ("prometheus=x", "a port is a number up to 65535"),
        ("prometheus=65536", "a port is a number up to 65535"),
    ],
)
def test_a_port_that_is_none_is_refused(given: str, said: str) -> None:
    result = CliRunner().invoke(main, ["--port", given])
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_time_may_not_run_so_fast_that_scrapes_overlap() -> None:
    assert CliRunner().invoke(main, ["--time-scale", "0.01"]).exit_code == 2


def test_a_module_that_is_not_there_is_refused_before_anything_starts() -> None:
    result = CliRunner().invoke(main, ["--app", "actorz"])
    assert result.exit_code == 2
    assert "there is no module 'actorz'" in result.output


def test_two_at_once_do_not_use_one_data_folder(tmp_path: Path) -> None:
    first = Folder(tmp_path / "data")
    assert first.path == (tmp_path / "data").resolve()
    with pytest.raises(InUse, match="another bin/monitoring uses .*--data-dir"):
        Folder(tmp_path / "data")
