"""The one round trip of a scrape."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from callboard.errors import CallboardError, StoreUnavailable
from callboard.store.store import Call, ClusterStore, Store

#: A connection that failed within this (seconds) may have been closed while nobody scraped: a second one is tried.
_AT_ONCE_S = 1.0

#: How long the nodes of a Cluster are asked in all (seconds): Prometheus gives a scrape ten.
_CLUSTER_S = 8.0


def ask(store: Store, calls: Sequence[Call]) -> list[Any]:
    """The replies of calls that only look, exceptions in their place. Never raises when Redis is away.

    One round trip; on Cluster one a call, so that a node that is away takes only its own queues from the scrape.
    """
    if isinstance(store, ClusterStore):
        return list(_one_by_one(store, calls))
    begun = time.monotonic()
    try:
        return store.pipeline(calls)
    except CallboardError as error:
        failed = error
    if time.monotonic() - begun < _AT_ONCE_S:
        try:
            return store.pipeline(calls)
        except CallboardError as error:
            failed = error
    return [failed] * len(calls)


def _one_by_one(store: Store, calls: Sequence[Call]) -> Iterator[Any]:
    until = time.monotonic() + _CLUSTER_S
    for call in calls:
        if time.monotonic() > until:
            yield StoreUnavailable(f"the Cluster took longer than {_CLUSTER_S:g} s")
            continue
        try:
            yield store.pipeline([call])[0]
        except CallboardError as error:
            yield error
