"""Services that have fixed names on the Internet, on this machine: a proxy that leads to a local HTTPS server.

The client under test speaks to the service by its own name, checks its certificate, and is told of the proxy by the
usual environment variables: nothing of it is replaced.
"""

from __future__ import annotations

import select
import socket
import socketserver
import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme

from demo.webhook_receiver import WebhookReceiver


class FarawayServices:
    """A receiver that has the certificates of ``hosts``. Requests tell by their header ``host`` whom they are for."""

    def __init__(self, folder: Path, *hosts: str) -> None:
        authority = trustme.CA()
        #: The authority that clients must trust.
        self.ca_file = folder / "authority.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self.receiver = WebhookReceiver(ssl_context=_context(authority, hosts))
        self._proxy: _Proxy | None = None

    def __enter__(self) -> Self:
        self.receiver.start()
        self._proxy = _Proxy(self.receiver.port)
        threading.Thread(target=self._proxy.serve_forever, args=(0.02,), name="proxy", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self._proxy is not None
        self._proxy.shutdown()
        self._proxy.server_close()
        self.receiver.stop()

    def environment(self) -> dict[str, str]:
        """What leads clients here."""
        assert self._proxy is not None
        proxy = f"http://127.0.0.1:{self._proxy.server_address[1]}"
        return {
            "HTTPS_PROXY": proxy, "https_proxy": proxy, "NO_PROXY": "", "no_proxy": "",
            "REQUESTS_CA_BUNDLE": str(self.ca_file), "SSL_CERT_FILE": str(self.ca_file),
        }  # fmt: skip


def _context(authority: trustme.CA, hosts: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*hosts).configure_cert(context)
    return context


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, leads_to: int) -> None:
        self.leads_to = leads_to
        super().__init__(("127.0.0.1", 0), _Tunnel)


class _Tunnel(socketserver.StreamRequestHandler):
    """One CONNECT (RFC 9110, 9.3.6), whatever host it names."""

    server: _Proxy

    def handle(self) -> None:
        if not self.rfile.readline().startswith(b"CONNECT "):
            self.wfile.write(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n")
            return
        while self.rfile.readline().strip():
            pass
        with socket.create_connection(("127.0.0.1", self.server.leads_to)) as there:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            ends = {self.connection: there, there: self.connection}
            while True:
                for readable in select.select(list(ends), [], [])[0]:
                    try:
                        data = readable.recv(65_536)
                        if not data:
                            return
                        ends[readable].sendall(data)
                    except OSError:
                        return
