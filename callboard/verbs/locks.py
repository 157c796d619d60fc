"""lock_take, lock_keep: of some runs there may be one at a time over the deployment.

A lock is for saving work and for reports that make sense, not for safety: it expires, so a holder that is held up may
find another beside it. What runs under it must do no harm when it runs twice.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from callboard.store.store import Store


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that was asked for. ``owner`` holds it; ``token`` is '' when that is somebody else."""

    name: str
    owner: str
    token: str

    @property
    def taken(self) -> bool:
        """Whether it was free, or the owner's already."""
        return bool(self.token)


def take(store: Store, name: str, owner: str, ttl_ms: int) -> Lock:
    """Take the lock ``name`` for ``owner`` (a job's id), for ``ttl_ms`` unless it is kept or given back before.

    An owner that holds it already, from an attempt that died, gets it again at once.
    """
    token = secrets.token_hex(8)
    code, holder = store.call("lock_take", "", (name, owner, token, ttl_ms))
    return Lock(name, holder.decode(), token if code == 1 else "")


def keep(store: Store, lock: Lock, ttl_ms: int) -> bool:
    """Hold the lock for ``ttl_ms`` from now. Returns False when it expired and another took it."""
    return bool(store.call("lock_keep", "", (lock.name, lock.token, ttl_ms)) == 1)


def give_back(store: Store, lock: Lock) -> None:
    """Others may take the lock. Nothing happens when it is not held any more."""
    store.call("lock_keep", "", (lock.name, lock.token, 0))
