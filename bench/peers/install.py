"""BullMQ in a cache of its own, outside the project: ``${XDG_CACHE_HOME:-~/.cache}/callboard-bench/<versions>/``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.rows import BenchError

_SOURCE = Path(__file__).resolve().parent / "bullmq"


def pinned_versions() -> dict[str, str]:
    """Package -> exact version, as package.json pins them."""
    pins: dict[str, str] = json.loads((_SOURCE / "package.json").read_text())["dependencies"]
    return pins


def install_bullmq() -> Path:
    """Install BullMQ at its pinned versions, once, and put today's programs beside it.

    Returns: the folder to run ``worker.mjs`` and ``producer.mjs`` from.
    Raises: BenchError when there is no Node ≥ 20 or npm fails.
    """
    _need_node()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "callboard-bench"
    folder = base / "-".join(f"{name}-{version}" for name, version in pinned_versions().items())
    if not folder.exists():
        _install(base, folder)
    for program in _SOURCE.glob("*.mjs"):
        shutil.copy2(program, folder)
    return folder


def node_version() -> str:
    """The version of the Node in the PATH, without its v."""
    return subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip().lstrip("v")


def _need_node() -> None:
    if not shutil.which("node") or not shutil.which("npm"):
        raise BenchError("BullMQ needs Node 20 or newer with npm in the PATH")
    if int(node_version().split(".", maxsplit=1)[0]) < 20:
        raise BenchError(f"Node {node_version()} is too old to measure BullMQ with: 20 or newer is needed")


def _install(base: Path, folder: Path) -> None:
    """Install beside and rename: a run that was cut short leaves nothing that looks whole."""
    base.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=base))
    try:
        shutil.copy2(_SOURCE / "package.json", beside)
        # BullMQ pins its own dependencies exactly, so that no lock file is needed. msgpackr's native part comes
        # prebuilt as an optional package: no install script has to run.
        done = subprocess.run(
            ["npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=beside, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise BenchError(f"npm install failed:\n{done.stderr[-2000:]}")
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
