"""Programs in Node that tests ask for a second opinion, each with its packages at pinned versions under ``.cache``."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.process import ROOT

_CACHE = ROOT / ".cache" / "tests"


def run_node(program: Path, *arguments: str) -> str:
    """Run ``program`` with the packages that the ``package-lock.json`` beside it names.

    They are installed once, by npm, and again when that file has changed.

    Returns: what it prints. Fails, and never skips, without Node and npm, or when either ends with an error.
    """
    for tool in ("node", "npm"):
        assert shutil.which(tool), f"{tool} is missing; bin/test installs it, or says how"
    lock = (program.parent / "package-lock.json").read_bytes()
    folder = _CACHE / f"{program.parent.name}-{hashlib.sha256(lock).hexdigest()[:12]}"
    if not folder.exists():
        _install(program.parent, folder)
    shutil.copy2(program, folder)
    return _run(["node", program.name, *arguments], folder)


def _install(source: Path, folder: Path) -> None:
    """Install beside and rename: a run that was cut short leaves nothing that looks whole."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=_CACHE))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copy2(source / name, beside)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], beside)
        try:
            beside.rename(folder)
        except OSError:
            assert folder.exists(), f"{folder} could not be made"  # another run was quicker
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stderr[-2000:]}"
    return done.stdout
