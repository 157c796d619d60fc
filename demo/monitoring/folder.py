"""The data folder: what lies where in it, and the configuration that is written into it."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import subprocess
from pathlib import Path

from monitoring.files import FILES
from monitoring.site import Site

_ROOT = Path(__file__).resolve().parents[2]

#: The token that Alertmanager shows to ``POST /api/alerts``; one is made if there is none.
TOKEN = "callboard_token"


class CannotWrite(Exception):
    """The configuration cannot be made."""


class InUse(Exception):
    """Two at once would write over each other's configuration and data."""


class Folder:
    """A folder of the owner's alone, since alerts' secrets are in it."""

    def __init__(self, path: Path) -> None:
        """Make it if it is missing, and keep others out of it as long as this process lives.

        Raises: OSError if it cannot be used; InUse.
        """
        self.path = path.resolve()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise InUse(f"another bin/monitoring uses {self.path}: stop it, or name another --data-dir") from None
        #: The configuration that the programs read.
        self.deploy = self.path / "deploy"
        #: Alertmanager's secrets, one a file (deploy/alertmanager/README.md); its channels are off without them.
        self.secrets = self.made("secrets")
        #: Alertmanager's configuration for this place.
        self.alertmanager_yml = self.path / "alertmanager.yml"
        #: Which channels are off, and why; known once it is written.
        self.told = ""

    def made(self, name: str) -> Path:
        """A folder below it, made if it is missing."""
        folder = self.path / name
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def log(self, program: str) -> Path:
        """The log of a program."""
        return self.made("logs") / f"{program}.log"

    def write(self, site: Site) -> None:
        """Copy deploy/ of the source tree, with the generated files as ``site`` has them, and what follows from it.

        Raises: OSError; CannotWrite.
        """
        shutil.rmtree(self.deploy, ignore_errors=True)
        shutil.copytree(_ROOT / "deploy", self.deploy)
        for name, make in FILES.items():
            if name.startswith("deploy/"):
                (self.path / name).parent.mkdir(parents=True, exist_ok=True)
                (self.path / name).write_text(make(site), encoding="utf-8")
        self._render()

    def _render(self) -> None:
        if not (self.secrets / TOKEN).exists():
            (self.secrets / TOKEN).write_text(secrets.token_hex(32), encoding="ascii")
        done = subprocess.run(
            [self.deploy / "alertmanager" / "render"], env={**os.environ, "ALERTMANAGER_SECRETS": str(self.secrets)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise CannotWrite(done.stderr.strip())
        self.told = done.stderr.strip()
        self.alertmanager_yml.write_text(done.stdout, encoding="utf-8")
