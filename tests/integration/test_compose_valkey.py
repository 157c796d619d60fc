"""The Valkey configuration of deploy/compose.yaml, taken by a real server."""

from __future__ import annotations

from pathlib import Path

from tests.support.process import ROOT
from tests.support.redis_server import Server, valkey_binary

#: What is for the container alone.
PLACES = ("bind", "dir", "port")


def test_it_keeps_what_was_acknowledged_and_evicts_nothing(tmp_path: Path) -> None:
    lines = (ROOT / "deploy" / "valkey" / "valkey.conf").read_text(encoding="utf-8").splitlines()
    given = dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))
    here = {name.replace("-", "_"): value.strip('"') for name, value in given.items() if name not in PLACES}
    with Server(valkey_binary(), tmp_path, **here) as server, server.client() as client:
        names = ("appendonly", "appendfsync", "maxmemory-policy", "save", "maxmemory")
        in_use = {name: client.config_get(name)[name] for name in names}
    assert in_use == {
        "appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": "",
        "maxmemory": str(1 << 30),
    }  # fmt: skip
