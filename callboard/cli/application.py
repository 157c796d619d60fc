"""The module that composes an application, looked for without importing it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

import click


def check_app(app: str) -> None:
    """Make sure that the Dramatiq command line will find the module of ``app`` (``MODULE`` or ``MODULE:BROKER``).

    Nothing of it is imported: whether it imports well is seen when the workers start.

    Raises: UsageError, with the name that is missing.
    """
    module = module_of(app)
    path: Sequence[str] | None = None
    found: list[str] = []
    for part in module.split("."):
        spec = _find(".".join([*found, part]), path)
        if spec is None:
            missing = ".".join([*found, part])
            raise click.UsageError(f"--app {app}: there is no module {missing!r} in {Path.cwd()} or on Python's path")
        found.append(part)
        path = spec.submodule_search_locations or []


def module_of(app: str) -> str:
    """The module's name in what ``--app`` takes."""
    return app.partition(":")[0]


def _find(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Where a module is, by the finders that an import would ask; ``path``: of its package, None at the top."""
    if path is None:
        path = [str(Path.cwd()), *sys.path]  # the Dramatiq command line puts the current folder first
        if name in sys.builtin_module_names or name in sys.modules:
            path = None
    importlib.invalidate_caches()
    for finder in sys.meta_path:
        spec = finder.find_spec(name, path)
        if spec is not None:
            return spec
    return None
