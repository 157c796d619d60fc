"""Where each program listens: a port of 127.0.0.1."""

from __future__ import annotations

import socket
from collections.abc import Mapping

HOST = "127.0.0.1"

#: Program -> its usual port.
USUAL_PORTS = {"ops-api": 8080, "prometheus": 9090, "alertmanager": 9093, "redis-exporter": 9121, "grafana": 3000}


class PortTaken(Exception):
    """Somebody else listens on a port that was asked for."""


def choose_ports(given: Mapping[str, int]) -> dict[str, int]:
    """A port for each program of ``USUAL_PORTS``: the given one, else the usual one if it is free, else any.

    ``given``: 0 asks for any.

    Raises: PortTaken when a given one is not free.
    """
    chosen: dict[str, int] = {}
    held: list[socket.socket] = []  # until all are chosen: a free port is given to one program alone
    try:
        for name, usual in USUAL_PORTS.items():
            probe = _bound(given[name]) if name in given else _bound(usual) or _bound(0)
            if probe is None:
                raise PortTaken(f"port {given.get(name, 0)} of {HOST}, for {name}, is in use")
            held.append(probe)
            chosen[name] = int(probe.getsockname()[1])
    finally:
        for probe in held:
            probe.close()
    return chosen


def _bound(port: int) -> socket.socket | None:
    """A socket on ``port`` (0: any); None when the port is in use."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((HOST, port))
        probe.listen()  # else a second one could bind the same port
    except OSError:
        probe.close()
        return None
    return probe
