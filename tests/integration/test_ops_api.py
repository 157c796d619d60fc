"""The ops API over HTTP, as gunicorn serves it, and where it finds the worker processes."""

from __future__ import annotations

import itertools
import json
import os
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from callboard.settings import Settings
from ops_api.app import create_app
from ops_api.services import services
from ops_api.settings import OpsSettings
from tests.support.process import Running
from tests.support.redis_server import Server, free_port
from tests.support.scrape import fall_silent, put_worker

#: Fetches a path of a running server; gives the body.
Get = Callable[[str], bytes]

_prefixes = itertools.count(1)


@pytest.fixture
def client(valkey_server: Server) -> Iterator[FlaskClient]:
    """The ops API, in this process, on a fresh prefix."""
    app = create_app(Settings(redis_url=valkey_server.url, prefix=f"ops{next(_prefixes)}"), OpsSettings())
    yield app.test_client()
    with app.app_context():
        services().close()


@pytest.fixture
def serve(valkey_server: Server, tmp_path: Path) -> Iterator[Callable[..., Get]]:
    """Start gunicorn with arguments; gives what fetches a path of it."""
    with ExitStack() as stack:

        def start(prefix: str, *arguments: str) -> Get:
            port = free_port()
            command = [sys.executable, "-m", "gunicorn", "ops_api.app:create_app()", "--bind", f"127.0.0.1:{port}"]
            env = {"REDIS_URL": valkey_server.url, "CALLBOARD_PREFIX": prefix}
            server = stack.enter_context(Running([*command, *arguments], tmp_path / "gunicorn.log", env))

            def get(path: str) -> bytes:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                    body: bytes = response.read()
                    return body

            server.wait_for("Listening at", 30)
            return get

        yield start


@pytest.mark.parametrize("arguments", [("--threads", "2"), ("--workers", "2", "--preload")])
def test_gunicorn_serves_it(serve: Callable[..., Get], arguments: tuple[str, ...]) -> None:
    get = serve(f"ops-api-{len(arguments)}", *arguments)
    for _ in range(4):
        text = get("/metrics").decode()
        assert 'callboard_queue_jobs{queue="maintenance",state="waiting"} 0.0' in text
        assert 'callboard_exporter_collect_success{collector="queues"} 1.0' in text
        assert 'component="ops_api"' in text
    assert json.loads(get("/sd/workers")) == []
    assert b'id="failedjobshigh"' in get("/runbooks/queues")


def test_each_process_has_connections_of_its_own(client: FlaskClient) -> None:
    with client.application.app_context():
        before = services().store
        assert services().store is before
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.write(writing, b"same" if services().store is before else b"own")
            os._exit(0)
        os.waitpid(pid, 0)
        assert os.read(reading, 4) == b"own"
        os.close(reading)
        os.close(writing)


# Discovery


def targets(client: FlaskClient) -> list[dict[str, Any]]:
    response = client.get("/sd/workers")
    assert (response.status_code, response.content_type) == (200, "application/json")
    found: list[dict[str, Any]] = response.json
    return found


def addresses(client: FlaskClient) -> dict[str, str]:
    """Worker -> where its metrics are."""
    return {group["labels"]["worker"]: group["targets"][0] for group in targets(client)}


def test_a_worker_process_is_a_target(client: FlaskClient) -> None:
    with client.application.app_context():
        put_worker(services().store, "id1", slot=2, queues=["q", "r"], metrics_address="10.0.0.5:9180")
    assert targets(client) == [
        {
            "targets": ["10.0.0.5:9180"],
            "labels": {
                "worker": "web-2",
                "__meta_callboard_host": "web",
                "__meta_callboard_slot": "2",
                "__meta_callboard_worker_id": "id1",
                "__meta_callboard_queues": ",q,r,",
                "__meta_callboard_version": "1",
            },
        }
    ]


def test_without_workers_there_are_no_targets(client: FlaskClient) -> None:
    assert targets(client) == []


def test_a_process_without_metrics_is_no_target(client: FlaskClient) -> None:
    with client.application.app_context():
        put_worker(services().store, "a")
    assert targets(client) == []


def test_a_process_that_ended_without_a_word_stays_a_target(client: FlaskClient) -> None:
    with client.application.app_context():
        put_worker(services().store, "a", metrics_address="10.0.0.5:9180")
        fall_silent(services().store, "a")
    assert addresses(client) == {"web-0": "10.0.0.5:9180"}


def test_a_process_that_was_started_anew_is_one_target(client: FlaskClient) -> None:
    with client.application.app_context():
        store = services().store
        put_worker(store, "old", slot=0, metrics_address="10.0.0.5:9180")
        put_worker(store, "other", slot=1, metrics_address="10.0.0.5:9181")
        fall_silent(store, "old")
        fall_silent(store, "other")
        put_worker(store, "new", slot=0, metrics_address="10.0.0.5:9181")
    assert addresses(client) == {"web-0": "10.0.0.5:9181"}, "the place and the port are the new one's"


def test_targets_and_metrics_have_the_same_names(client: FlaskClient) -> None:
    with client.application.app_context():
        for started, worker in enumerate("ab"):
            put_worker(services().store, worker, started_ms=started, metrics_address=f"10.0.0.5:{9180 + started}")
    assert addresses(client) == {"web-0": "10.0.0.5:9180", "web-0-2": "10.0.0.5:9181"}
    text = client.get("/metrics").text
    for name in ("web-0", "web-0-2"):
        assert f'callboard_worker_threads{{worker="{name}"}}' in text
