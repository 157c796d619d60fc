"""The port of a worker process: which it gets, what it answers, and who cannot keep it from answering."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from middleware.metrics import server as serving
from middleware.metrics.server import MetricsServer, advertised, listen
from tests.support.metrics_page import OPENMETRICS, fetched, get
from tests.support.wait import wait_until

Listen = Callable[..., MetricsServer | None]


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc(3)
    return registry


@pytest.fixture
def listening(registry: CollectorRegistry) -> Iterator[Listen]:
    """Listens, and answers; all is stopped at the end."""
    servers: list[MetricsServer] = []

    def start(host: str = "127.0.0.1", first: int = 0) -> MetricsServer | None:
        server = listen(host, first, registry)
        if server is not None:
            servers.append(server)
            server.start()
        return server

    yield start
    for each in servers:
        each.stop()


def address(server: MetricsServer | None) -> str:
    assert server is not None
    return f"127.0.0.1:{server.port}"


def test_it_answers_in_the_form_that_is_asked_for(listening: Listen) -> None:
    where = address(listening())
    for accept, kind in (("", "text/plain; version=0.0.4"), (OPENMETRICS, "application/openmetrics-text")):
        page = fetched(where, accept)
        assert page.content_type.startswith(kind)
        assert page.value("things_total") == 3
    assert get(where, "/metrics?x=1")[0] == 200


@pytest.mark.parametrize("version", ["x", "1.x", "-", "1" * 5000])
def test_a_version_that_is_none_is_answered_with_text(listening: Listen, version: str) -> None:
    page = fetched(address(listening()), f"application/openmetrics-text; version={version}")
    assert page.value("things_total") == 3


def test_head_has_no_body(listening: Listen) -> None:
    status, _, body = get(address(listening()), method="HEAD")
    assert (status, body) == (200, "")


@pytest.mark.parametrize(
    ("method", "path", "status", "line"),
    [
        ("GET", "/", 404, "not found: the metrics of this worker process are at /metrics\n"),
        ("GET", "/metrics/", 404, "not found: the metrics of this worker process are at /metrics\n"),
        ("HEAD", "/x", 404, ""), ("POST", "/metrics", 501, "Unsupported method ('POST')\n"),
        ("DELETE", "/", 501, "Unsupported method ('DELETE')\n"),
    ],
)  # fmt: skip
def test_there_is_nothing_else(listening: Listen, method: str, path: str, status: int, line: str) -> None:
    assert get(address(listening()), path, method) == (status, "text/plain; charset=utf-8", line)


def test_a_collector_that_fails_is_told_and_the_next_scrape_is_answered(
    listening: Listen, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    class Fails:
        """Fails once it is asked."""

        def describe(self) -> list[object]:
            return []

        def collect(self) -> list[object]:
            raise ValueError("no redis://:hunter2@cache")

    where = address(listening())
    registry.register(fails := Fails())  # type: ignore[arg-type]
    status, _, body = get(where)
    assert status == 500
    assert body == "the metrics could not be written out; the worker's log says why\n"
    assert "the metrics could not be written out" in caplog.text
    registry.unregister(fails)  # type: ignore[arg-type]
    assert get(where)[0] == 200


def test_the_next_free_port_is_taken(listening: Listen) -> None:
    first = listening()
    assert first is not None
    second, third = listening(first=first.port), listening(first=first.port)
    assert second is not None
    assert third is not None
    assert first.port < second.port < third.port <= first.port + 99
    assert all(get(address(each))[0] == 200 for each in (first, second, third))


def test_no_free_port_is_a_warning(
    listening: Listen, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = listening()
    assert taken is not None
    monkeypatch.setattr(serving, "PORTS", 1)
    assert listening(first=taken.port) is None
    (warning,) = caplog.records
    assert warning.levelno == logging.WARNING
    assert f"none of the ports {taken.port}–{taken.port} of 127.0.0.1 is free" in warning.getMessage()


def test_the_last_port_is_the_last_that_is_tried(registry: CollectorRegistry, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 65_535))
        taken.listen()
        assert listen("127.0.0.1", 65_535, registry) is None
    assert "65535–65535" in caplog.text


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_that_is_not_ours_is_a_warning(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    assert listen(host, 9180, registry) is None
    assert f"metrics are not served: {host}:9180 cannot be listened on" in caplog.text


def test_ipv6_is_served(listening: Listen) -> None:
    server = listening("::1")
    assert server is not None
    assert get(f"[::1]:{server.port}")[0] == 200


def test_clients_that_hold_their_connections_are_hung_up(listening: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving._Handler, "timeout", 0.2)
    server = listening()
    assert server is not None
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(8)]
    try:
        for each in idle:
            each.sendall(b"GET /metrics HT")  # and no more
        assert get(address(server))[0] == 200, "whoever asks in earnest has its answer"
        for each in idle:
            each.settimeout(10)
            assert each.recv(100) == b"", "hung up"
    finally:
        for each in idle:
            each.close()


def test_a_client_that_never_ends_its_request_is_hung_up(listening: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_REQUEST_S", 0.3)
    server = listening()
    assert server is not None
    with socket.create_connection(("127.0.0.1", server.port)) as drips:
        drips.sendall(b"GET /metrics HTTP/1.1\r\n")

        def gone() -> bool:
            try:
                drips.sendall(b"X: 1\r\n")
            except OSError:
                return True
            return False

        wait_until(gone, 10, "it to be hung up, though it was never silent")


def test_more_connections_than_can_wait_are_closed(listening: Listen) -> None:
    server = listening()
    assert server is not None
    held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]

    def closed(each: socket.socket) -> bool:
        each.setblocking(False)
        try:
            return each.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    try:
        wait_until(lambda: any(closed(each) for each in held), 10, "some to be closed at once")
    finally:
        for each in held:
            each.close()


def test_a_stop_frees_the_port_and_ends_its_threads(registry: CollectorRegistry) -> None:
    before = threading.active_count()
    server = listen("127.0.0.1", 0, registry)
    assert server is not None
    port = server.port
    server.start()
    with socket.create_connection(("127.0.0.1", port)) as half:
        half.sendall(b"GET /met")
        server.stop()
    assert threading.active_count() == before
    again = listen("127.0.0.1", port, registry)
    assert again is not None
    assert again.port == port
    again.server_close()


@pytest.mark.parametrize(
    ("host", "advertise", "told"),
    [
        ("127.0.0.1", None, "127.0.0.1:9180"), ("127.0.0.1", "worker-7.internal", "worker-7.internal:9180"),
        ("::1", None, "[::1]:9180"), ("0.0.0.0", "2001:db8::7", "[2001:db8::7]:9180"),
        ("0.0.0.0", "[2001:db8::7]", "[2001:db8::7]:9180"), ("0.0.0.0", None, "this-machine:9180"),
        ("::", None, "this-machine:9180"), ("", None, "this-machine:9180"),
        ("0.0.0.0", "10.0.0.7", "10.0.0.7:9180"),
    ],
)  # fmt: skip
def test_what_prometheus_is_told(monkeypatch: pytest.MonkeyPatch, host: str, advertise: str | None, told: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "this-machine")
    assert advertised(host, 9180, advertise) == told
