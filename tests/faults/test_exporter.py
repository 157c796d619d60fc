"""Redis fails the exporter: the scrape says so, in time, and makes no figure up."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from callboard.errors import StoreUnavailable
from callboard.settings import Settings
from callboard.store.store import Store, open_store
from middleware.metrics.queues import PARTS, QueueCollector
from ops_api.app import create_app
from ops_api.services import services
from ops_api.settings import OpsSettings
from tests.support.redis_server import Server
from tests.support.scrape import SUCCESS, Scrape


@pytest.fixture
def make_collector(server: Server) -> Iterator[Callable[..., QueueCollector]]:
    stores: list[Store] = []

    def make(**changes: Any) -> QueueCollector:
        stores.append(open_store(Settings(redis_url=server.url, **changes)))
        return QueueCollector(stores[-1], "ops_api")

    yield make
    for store in stores:
        store.close()


def test_redis_away_is_said_and_nothing_else(server: Server, make_collector: Callable[..., QueueCollector]) -> None:
    collector = make_collector()
    assert Scrape(collector).success() == dict.fromkeys(PARTS, 1.0)
    server.kill()
    found = Scrape(collector)
    assert found.success() == dict.fromkeys(PARTS, 0.0)
    assert found.names() == {SUCCESS, "callboard_exporter_collect_duration_seconds", "callboard_build_info"}
    server.start()
    assert Scrape(collector).success() == dict.fromkeys(PARTS, 1.0), "the first scrape after an outage is whole"


def test_redis_that_hangs_is_waited_for_once(server: Server, make_collector: Callable[..., QueueCollector]) -> None:
    collector = make_collector(socket_timeout_s=1.1)
    Scrape(collector)
    server.freeze()
    found = Scrape(collector)
    server.thaw()
    assert found.success() == dict.fromkeys(PARTS, 0.0)
    assert found.value("callboard_exporter_collect_duration_seconds", collector="redis") < 2


def test_a_connection_that_was_closed_meanwhile_is_no_outage(
    server: Server, make_collector: Callable[..., QueueCollector]
) -> None:
    collector = make_collector()
    Scrape(collector)
    with server.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal")
    assert Scrape(collector).success() == dict.fromkeys(PARTS, 1.0)


def test_targets_are_found_over_a_connection_that_was_closed_meanwhile(server: Server) -> None:
    app = create_app(Settings(redis_url=server.url), OpsSettings())
    client = app.test_client()
    assert client.get("/sd/workers").json == []
    with server.client() as redis:
        redis.execute_command("CLIENT", "KILL", "TYPE", "normal")
    assert client.get("/sd/workers").json == []
    server.kill()
    assert client.get("/sd/workers").status_code == 503, "Prometheus keeps the targets that it has"
    with app.app_context():
        services().close()


def test_scripts_that_redis_forgot_are_loaded_again(
    server: Server, make_collector: Callable[..., QueueCollector]
) -> None:
    collector = make_collector()
    Scrape(collector)
    with server.client() as client:
        client.script_flush()
    assert Scrape(collector).success() == dict.fromkeys(PARTS, 1.0)


def test_a_server_that_takes_no_writes_is_still_scraped(
    server: Server, make_collector: Callable[..., QueueCollector]
) -> None:
    collector = make_collector()
    with server.client() as client:
        client.config_set("maxmemory", "1")
    found = Scrape(collector)
    assert found.success() == dict.fromkeys(PARTS, 1.0)
    assert found.value("callboard_redis_maxmemory_policy_info", policy="noeviction") == 1


def test_a_user_who_may_not_ask_for_info_gets_the_rest(server: Server) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "ada", "on", "nopass", "~*", "&*", "+@all", "-info", "-memory")
    store = open_store(Settings(redis_url=server.url.replace("//", "//ada:x@")))
    collector = QueueCollector(store, "ops_api")
    for _ in range(2):  # what could not be estimated is asked for again
        found = Scrape(collector)
        assert found.success() == {"queues": 1, "memory": 0, "workers": 1, "schedules": 1, "redis": 0}
        assert found.value("callboard_schedules_overdue") == 0
    store.close()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x50"])
def test_what_answers_and_is_no_redis_is_redis_away(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        threading.Thread(target=answers, args=(listener, answer, 3), daemon=True).start()
        app = create_app(Settings(redis_url=f"redis://127.0.0.1:{listener.getsockname()[1]}/0"), OpsSettings())
        client = app.test_client()
        page = client.get("/metrics")
        assert page.status_code == 200
        assert 'callboard_exporter_collect_success{collector="queues"} 0.0' in page.text
        with app.app_context():
            with pytest.raises(StoreUnavailable, match="not reachable"):
                services().store.call("workers", "")
            services().close()


def answers(listener: socket.socket, answer: bytes, times: int) -> None:
    """The same to each of so many connections, whatever they ask."""
    for _ in range(times):
        connection, _address = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(answer)
