"""Lua scripts: read from ``callboard/verbs``, their header turned into code.

A script's header is the contract and is read by machine: ``KEYS[n] name`` lines say which keys of the queue (or of the
deployment) the script gets, as ``K.name`` in Lua; an ``include:`` line names files of ``verbs/includes``, in order.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from callboard.keys import DEPLOYMENT_KEYS, QUEUE_KEYS, deployment_key, queue_key

_KEY = re.compile(r"KEYS\[(\d+)\]\s+(\w+)")
_INCLUDE = re.compile(r"^-- include: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """A verb in Lua: its whole text, SHA-1, and the names of the keys it declares."""

    name: str
    text: str
    sha: str
    keys: tuple[str, ...]
    of_deployment: bool

    def full_keys(self, prefix: str, queue: str) -> tuple[str, ...]:
        """The Redis keys to pass, in order. ``queue`` is ignored by scripts on the deployment's keys."""
        if self.of_deployment:
            return tuple(deployment_key(prefix, name) for name in self.keys)
        return tuple(queue_key(prefix, queue, name) for name in self.keys)


@cache
def load(name: str) -> Script:
    """The script of verb ``name``.

    Raises: ValueError when its header does not declare keys that exist, numbered from 1.
    """
    folder = files("callboard.verbs")
    source = folder.joinpath(f"{name}.lua").read_text()
    header = source[: _header_end(source)]
    declared = {int(number): key for number, key in _KEY.findall(header)}
    keys = tuple(declared[n] for n in sorted(declared))
    if sorted(declared) != list(range(1, len(declared) + 1)):
        raise ValueError(f"{name}.lua: KEYS are not numbered 1…{len(declared)}")
    known = QUEUE_KEYS.keys() | DEPLOYMENT_KEYS.keys()
    if not set(keys) <= known:
        raise ValueError(f"{name}.lua: unknown keys {sorted(set(keys) - known)}")
    of_deployment = bool(keys) and keys[0] in DEPLOYMENT_KEYS

    shebang, _, body = source.partition("\n") if source.startswith("#!") else ("", "", source)
    parts = [shebang] if shebang else []
    parts.append("local K = {" + ", ".join(f"{key} = KEYS[{n}]" for n, key in enumerate(keys, 1)) + "}")
    for names in _INCLUDE.findall(header):
        parts += [folder.joinpath("includes", f"{part}.lua").read_text() for part in names.split()]
    text = "\n".join([*parts, body])
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), keys, of_deployment)


def _header_end(source: str) -> int:
    """Where the leading comment lines end."""
    end = 0
    for line in source.splitlines(keepends=True):
        if not line.startswith(("--", "#!")):
            break
        end += len(line)
    return end


def all_names() -> list[str]:
    """The names of all verbs that have a script."""
    return sorted(f.name[:-4] for f in files("callboard.verbs").iterdir() if f.name.endswith(".lua"))
