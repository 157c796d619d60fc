"""A real SMTP server on this machine that keeps what it gets and answers as it is told.

::

    with LocalSmtp() as server:
        server.refuse_recipient("bob@example.org", code=451, times=1)
        ...  # send mail to server.host, server.port
        [mail] = server.wait_for(1)
        mail.message["Subject"], mail.recipients
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

DropPoint = Literal["connect", "recipient", "data", "after_data"]

_START_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """One mail that the server took."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes
    tls: bool
    #: Where it was written; None if the server has no folder.
    path: Path | None = None

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        return email.message_from_bytes(self.raw, policy=email.policy.default)


@dataclass(slots=True)
class _Answer:
    """A reply to give instead of success; ``left``: how many times, None for always."""

    reply: str
    left: int | None

    def take(self) -> str | None:
        if self.left is None:
            return self.reply
        if self.left == 0:
            return None
        self.left -= 1
        return self.reply


@dataclass(slots=True)
class _Script:
    recipients: dict[str, _Answer] = field(default_factory=dict)
    sender: _Answer | None = None
    data: _Answer | None = None
    drops: dict[DropPoint, int] = field(default_factory=dict)
    think_s: float = 0.0

    def drop(self, point: DropPoint) -> bool:
        left = self.drops.get(point, 0)
        self.drops[point] = max(0, left - 1)
        return left > 0


class LocalSmtp:
    """An SMTP server in a thread of its own, on 127.0.0.1 and a free port.

    Args:
        tls: ``starttls`` requires it before MAIL; ``tls`` speaks TLS from the first byte.
        ssl_context: the server's certificate; required with TLS.
        users: name -> password; if given, a login is required.
        folder: if given, each mail is also written there as ``0001.eml`` and so on.
        think_s: how long it thinks over each message before it answers (in seconds), as servers with filters do.
    """

    def __init__(
        self,
        *,
        tls: Literal["none", "starttls", "tls"] = "none",
        ssl_context: ssl.SSLContext | None = None,
        users: dict[str, str] | None = None,
        folder: Path | None = None,
        think_s: float = 0.0,
    ) -> None:
        if tls != "none" and ssl_context is None:
            raise ValueError("TLS needs an ssl_context with a certificate")
        self.host = "127.0.0.1"
        self.port = 0
        self.mailbox: list[ReceivedMail] = []
        #: Connections accepted so far.
        self.connections = 0
        self._tls = tls
        self._ssl_context = ssl_context
        self._users = users
        self._folder = folder
        self._script = _Script(think_s=think_s)
        self._changed = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._server: asyncio.Server | None = None

    # -- life

    def start(self) -> Self:
        """Begin to listen; ``port`` is known afterwards."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="local-smtp", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(_START_TIMEOUT_S)
        return self

    def stop(self) -> None:
        """Stop listening and hang up on everybody."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(_START_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_TIMEOUT_S)
        self._loop.close()
        self._loop = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # -- what it is told

    def refuse_recipient(self, address: str, *, code: int = 550, text: str = "no", times: int | None = None) -> None:
        """Answer RCPT for ``address`` with ``code``, the next ``times`` times or always."""
        self._script.recipients[address.lower()] = _Answer(f"{code} {text}", times)

    def refuse_sender(self, *, code: int, text: str = "no", times: int | None = None) -> None:
        """Answer MAIL with ``code``."""
        self._script.sender = _Answer(f"{code} {text}", times)

    def refuse_data(self, *, code: int, text: str = "no", times: int | None = None) -> None:
        """Answer a whole message with ``code`` and do not keep it."""
        self._script.data = _Answer(f"{code} {text}", times)

    def drop_connection(self, at: DropPoint, *, times: int = 1) -> None:
        """Hang up without a word: on connect, at RCPT, when the message has come (``data``: not kept,
        ``after_data``: kept, so that only the reply is lost)."""
        self._script.drops[at] = times

    # -- what came of it

    def wait_for(self, count: int, timeout: float = 10.0) -> list[ReceivedMail]:
        """Wait until ``count`` mails have come.

        Raises: TimeoutError, saying how many came, after ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.mailbox) >= count, timeout):
                raise TimeoutError(f"expected {count} mails within {timeout} s, got {len(self.mailbox)}")
            return list(self.mailbox)

    # -- inside the server's thread

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        implicit = self._ssl_context if self._tls == "tls" else None
        self._server = await loop.create_server(self._protocol, self.host, 0, ssl=implicit)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        assert self._server is not None
        self._server.close()
        everything = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        await self._server.wait_closed()

    def _protocol(self) -> SMTP:
        self.connections += 1
        with warnings.catch_warnings():
            # It warns of logins without TLS; on the loopback interface that is what some tests are about.
            warnings.simplefilter("ignore", UserWarning)
            return _Conversation(
                _Handler(self._script, self._keep),
                hostname="localhost",
                tls_context=self._ssl_context if self._tls == "starttls" else None,
                require_starttls=self._tls == "starttls",
                auth_required=self._users is not None,
                auth_require_tls=False,
                authenticator=self._authenticate if self._users is not None else None,
                drop=self._script.drop("connect"),
            )

    def _authenticate(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        known = self._users or {}
        right = isinstance(data, LoginPassword) and known.get(data.login.decode()) == data.password.decode()
        return AuthResult(success=right, handled=False)

    def _keep(self, mail: ReceivedMail) -> None:
        with self._changed:
            if self._folder is not None:
                path = self._folder / f"{len(self.mailbox) + 1:04}.eml"
                path.write_bytes(mail.raw)
                mail = replace(mail, path=path)
            self.mailbox.append(mail)
            self._changed.notify_all()


class _Conversation(SMTP):
    """aiosmtpd's protocol, and the choice to hang up at once."""

    def __init__(self, handler: _Handler, *, drop: bool, **options: Any) -> None:
        super().__init__(handler, **options)
        self._drop = drop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._drop:
            _abort(transport)


class _Handler:
    def __init__(self, script: _Script, keep: Callable[[ReceivedMail], None]) -> None:
        self._script = script
        self._keep = keep

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _smtp: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        refusal = self._script.sender.take() if self._script.sender else None
        if refusal is not None:
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, smtp: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self._script.drop("recipient"):
            _abort(smtp.transport)
            return "421 gone"
        answer = self._script.recipients.get(address.lower())
        refusal = answer.take() if answer else None
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, smtp: SMTP, session: Session, envelope: Envelope
    ) -> str:
        if self._script.drop("data"):
            _abort(smtp.transport)
            return "421 gone"
        refusal = self._script.data.take() if self._script.data else None
        if refusal is not None:
            return refusal
        await asyncio.sleep(self._script.think_s)
        raw = envelope.original_content or b""
        transport = smtp.transport
        tls = transport is not None and transport.get_extra_info("sslcontext") is not None
        self._keep(ReceivedMail(envelope.mail_from or "", tuple(envelope.rcpt_tos), raw, tls))
        if self._script.drop("after_data"):
            _abort(smtp.transport)
        return "250 OK"


def _abort(transport: asyncio.BaseTransport | None) -> None:
    if isinstance(transport, asyncio.Transport):
        transport.abort()
