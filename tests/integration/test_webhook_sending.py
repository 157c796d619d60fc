"""One POST over real sockets: whom a worker connects to, whom it trusts, and that no peer can hold it."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from actors.webhooks import sending
from actors.webhooks.errors import AddressBlocked, EndpointTimedOut, EndpointUnreachable
from actors.webhooks.guard import GuardedBackend
from actors.webhooks.sending import Answer, Sender
from actors.webhooks.settings import WebhookSettings
from demo.webhook_receiver import WebhookReceiver
from tests.support.webhooks import LOOPBACK


@pytest.fixture
def sender() -> Iterator[Sender]:
    sender = Sender(WebhookSettings(allow=LOOPBACK, timeout_s=5))
    yield sender
    sender.close()


def strict(port: int) -> Sender:
    """A sender for which only the address can be wrong."""
    return Sender(WebhookSettings(allow_http=True, ports=f"80,443,{port}", timeout_s=5))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def post(sender: Sender, url: str, body: bytes = b"{}") -> Answer:
    return sender.post(url, {"webhook-id": "msg_1"}, body)


# -- whom a worker connects to


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.0.0.2", "127.1", "2130706433", "0x7f000001", "0x7f.1", "0.0.0.0", "0"]
)
def test_loopback_is_refused_however_it_is_written(receiver: WebhookReceiver, host: str) -> None:
    with pytest.raises(AddressBlocked, match="not a public address"):
        post(strict(receiver.port), receiver.url(host=host))
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["017700000001", "0177.0.0.1"])
def test_octal_forms_are_refused_by_the_socket_layer(receiver: WebhookReceiver, host: str) -> None:
    """The URL parser does not let all of them through; nothing depends on it."""
    backend = GuardedBackend(WebhookSettings(allow_http=True, ports=str(receiver.port)).policy, 5)
    with backend.attempt(5, plain=True), pytest.raises(AddressBlocked, match="127.0.0.1: it is not a public address"):
        backend.connect_tcp(host, receiver.port)
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["[::1]", "[::ffff:127.0.0.1]", "[::]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"])
def test_loopback_is_refused_in_ipv6(host: str) -> None:
    with WebhookReceiver("::1") as receiver:
        with pytest.raises(AddressBlocked, match="not a public address"):
            post(strict(receiver.port), receiver.url(host=host))
        assert receiver.connections == 0


def test_a_name_is_judged_by_what_it_resolves_to_when_the_socket_opens(
    receiver: WebhookReceiver, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: whatever it resolved to before."""

    def resolves(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolves)
    with pytest.raises(AddressBlocked, match=r"hooks.example.com:.*\(127.0.0.1: it is not a public address"):
        post(strict(receiver.port), receiver.url(host="hooks.example.com"))
    assert receiver.connections == 0
    assert post(sender, receiver.url(host="hooks.example.com")).status == 200
    assert receiver.requests[0].headers["host"] == f"hooks.example.com:{receiver.port}"


def test_a_name_with_a_public_and_a_private_address_is_not_sent_to_the_private_one(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def resolves(host: str, port: int, *args: Any, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("127.0.0.1", "93.184.215.14")]

    def connect(sock: socket.socket, where: Any) -> None:
        tried.append(where[0])
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "getaddrinfo", resolves)
    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(EndpointUnreachable):
        post(strict(receiver.port), receiver.url(host="hooks.example.com"))
    assert tried == ["93.184.215.14"]


def test_ports_are_part_of_the_rule(receiver: WebhookReceiver) -> None:
    with pytest.raises(AddressBlocked, match="not a public address"):
        post(Sender(WebhookSettings(allow=f"127.0.0.1/32:{receiver.port + 1}")), receiver.url())
    assert post(Sender(WebhookSettings(allow=f"127.0.0.1/32:{receiver.port}")), receiver.url()).status == 200


def test_no_proxy_of_the_environment_is_used(
    receiver: WebhookReceiver, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WebhookReceiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert post(Sender(sender.settings), receiver.url()).status == 200
        assert proxy.connections == 0


def test_a_redirect_is_an_answer_like_any_other(receiver: WebhookReceiver, sender: Sender) -> None:
    with WebhookReceiver() as other:
        receiver.answer(307, {"Location": other.url("/secret")})
        assert post(sender, receiver.url()).status == 307
        assert other.connections == 0


# -- whom it trusts


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def certificate(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_https_with_an_authority_of_ones_own(authority: trustme.CA, ca_file: Path) -> None:
    with WebhookReceiver(ssl_context=certificate(authority, "localhost")) as receiver:
        sender = Sender(WebhookSettings(allow=LOOPBACK, ca_file=ca_file))
        for _ in range(2):
            assert post(sender, receiver.url(host="localhost")).status == 200
        assert receiver.connections == 1


def test_an_unknown_certificate_is_not_trusted(authority: trustme.CA) -> None:
    with WebhookReceiver(ssl_context=certificate(authority, "localhost")) as receiver:
        with pytest.raises(EndpointUnreachable, match="localhost: its certificate is not trusted: "):
            post(Sender(WebhookSettings(allow=LOOPBACK)), receiver.url(host="localhost"))
        assert receiver.requests == []


def test_a_certificate_for_another_host_is_not_trusted(authority: trustme.CA, ca_file: Path) -> None:
    with WebhookReceiver(ssl_context=certificate(authority, "other.example.org")) as receiver:
        with pytest.raises(EndpointUnreachable, match="its certificate is not trusted: "):
            post(Sender(WebhookSettings(allow=LOOPBACK, ca_file=ca_file)), receiver.url(host="localhost"))
        assert receiver.requests == []


def test_https_to_a_server_that_speaks_none(receiver: WebhookReceiver, sender: Sender) -> None:
    with pytest.raises(EndpointUnreachable, match="no TLS connection"):
        post(sender, receiver.url().replace("http:", "https:"))


# -- that no peer can hold it


def test_a_connection_is_used_again(receiver: WebhookReceiver, sender: Sender) -> None:
    for _ in range(3):
        post(sender, receiver.url())
    assert receiver.connections == 1


def test_threads_share_a_sender(receiver: WebhookReceiver, sender: Sender) -> None:
    receiver.answer(200, think_s=0.01)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(sender, receiver.url()).status, range(80)))
    assert answers == [200] * 80
    assert receiver.connections <= 8


def test_no_more_of_an_endless_body_is_read_than_asked(receiver: WebhookReceiver) -> None:
    receiver.play("endless")
    sender = Sender(WebhookSettings(allow=LOOPBACK, answer_max_bytes=2_000, timeout_s=30))
    with within(2):
        answer = post(sender, receiver.url())
    assert (answer.status, len(answer.excerpt)) == (200, 1023)


def test_the_timeout_is_that_of_the_whole_attempt(receiver: WebhookReceiver) -> None:
    """Each byte comes within any timeout of a single read."""
    receiver.play("drip")
    with within(2), pytest.raises(EndpointTimedOut, match="no answer in time"):
        post(Sender(WebhookSettings(allow=LOOPBACK, timeout_s=0.5)), receiver.url())


def test_a_peer_that_does_not_read_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        port = listening.getsockname()[1]
        with within(2), pytest.raises(EndpointTimedOut, match="the request was not taken in time"):
            post(Sender(WebhookSettings(allow=LOOPBACK, timeout_s=0.5)), f"http://127.0.0.1:{port}/", b"x" * 20_000_000)


def test_a_tls_handshake_that_stalls_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"https://127.0.0.1:{listening.getsockname()[1]}/"
        with within(2), pytest.raises(EndpointTimedOut, match="no TLS connection in time"):
            post(Sender(WebhookSettings(allow=LOOPBACK, connect_timeout_s=0.3)), url)


def test_a_resolver_that_stalls_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: over.wait(20) and [])
    with within(2), pytest.raises(EndpointTimedOut, match="the name slow.example was not resolved in time"):
        post(Sender(WebhookSettings(connect_timeout_s=0.2)), "https://slow.example/")
    over.set()


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"line one\r\nline two", "line one line two"),
        (b"\x1b[31mred\x00\x07", "·[31mred··"),
        ("user \u202egnp.exe".encode(), "user ·gnp.exe"),
        (b"caf\xe9 \xff", "caf� �"),
        (b"", ""),
    ],
)
def test_answers_are_shown_as_one_harmless_line(
    receiver: WebhookReceiver, sender: Sender, body: bytes, shown: str
) -> None:
    receiver.answer(200, body=body)
    assert post(sender, receiver.url()).excerpt == shown


def test_a_forked_process_has_connections_of_its_own(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBOARD_WEBHOOK_ALLOW", LOOPBACK)
    monkeypatch.setattr(sending, "_sender", None)
    assert post(sending.process_sender(), receiver.url()).status == 200
    assert sending.process_sender() is sending.process_sender()
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if post(sending.process_sender(), receiver.url()).status == 200 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert post(sending.process_sender(), receiver.url()).status == 200
    assert [each.connection for each in receiver.requests] == [1, 2, 1]
    sending.process_sender().close()
