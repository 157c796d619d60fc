"""Fixtures that every test may ask for: the servers, one fixture each, and settings on a fresh prefix of one of them.

``settings`` and all that is built on it (``store``, ``engine``) exist on Valkey, on Redis 7 and on a Cluster of three:
a test that asks for one of them runs on each.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from callboard.settings import Settings
from callboard.store.store import Store, open_store
from tests.support.engine import Engine
from tests.support.redis_server import Cluster, Server, redis_binary, valkey_binary

#: The kinds of server that the engine promises to run on.
SERVERS = ("valkey", "redis7", "cluster")

#: Makes settings on the test's own prefix; keywords change them.
SettingsMaker = Callable[..., Settings]

_prefixes = itertools.count(1)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(valkey_binary(), tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def redis7_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(redis_binary(), tmp_path_factory.mktemp("redis7")) as server:
        yield server


@pytest.fixture(scope="session")
def cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(valkey_binary(), tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(params=SERVERS)
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of a running server of each kind in turn."""
    server: Server | Cluster = request.getfixturevalue(f"{request.param}_server")
    return server.url


@pytest.fixture
def make_settings(store_url: str) -> SettingsMaker:
    """Makes settings on ``store_url``: all of a test share a prefix that nobody else uses."""
    prefix = f"t{next(_prefixes)}"

    def make(**changes: Any) -> Settings:
        given: dict[str, Any] = {
            "redis_url": store_url, "prefix": prefix, "gil_watchdog": False, "attempt_log": "off", "schedules": False,
            "canary": False, "metrics": False,
        }  # fmt: skip
        return Settings(**{**given, **changes})

    return make


@pytest.fixture
def settings(make_settings: SettingsMaker) -> Settings:
    """The default settings on a fresh prefix."""
    return make_settings()


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """A store on a fresh prefix."""
    store = open_store(settings)
    yield store
    store.close()


@pytest.fixture
def make_engine(make_settings: SettingsMaker) -> Iterator[Callable[..., Engine]]:
    """Makes an :class:`Engine` on a queue ``q`` whose catalogue entry has the given fields.

    Whatever a test did, the engine's invariants must hold at its end.
    """
    engines: list[Engine] = []

    def make(**fields: Any) -> Engine:
        engine = Engine(open_store(make_settings(queues={"q": fields}, only_queues=True)), "q")
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        if engine.checked:
            engine.snapshot().check()
        engine.store.close()


@pytest.fixture
def engine(make_engine: Callable[..., Engine]) -> Engine:
    """The verbs on an empty queue ``q``, as a worker and a producer call them."""
    return make_engine()
