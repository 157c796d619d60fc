"""One SMTP conversation (RFC 5321), and what became of each recipient.

``smtplib.send_message`` reports some refusals by raising, some by returning, and cannot say whether a lost connection
lost the message; so the conversation is led here, step by step, with smtplib's own commands.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import smtplib
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from actors.email.recipients import without_addresses
from actors.email.settings import SmtpSettings

#: "Closing the channel": it may answer any command, and nothing that follows will be answered (RFC 5321, 3.8).
_CLOSING = 421

#: How long to wait for the answer to QUIT; the outcome is known by then.
_QUIT_TIMEOUT_S = 2.0

#: How long an interrupted attempt waits for the answer to a message that may have been sent.
_LAST_WORD_S = 5.0

_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server said, without the addresses in it."""

    code: int
    text: str

    @classmethod
    def of(cls, code: int, raw: bytes | str) -> Reply:
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        return cls(code, without_addresses(" ".join(text.split()))[:_MAX_TEXT])

    @property
    def positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def permanent(self) -> bool:
        return 500 <= self.code < 600

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip()


@dataclass(slots=True)
class Outcome:
    """What one conversation came to, filled in as it goes: whatever interrupts it, this says what is known.

    Recipients appear as hashes. Who is in none of the sets was not reached.
    """

    accepted: list[str] = field(default_factory=list)
    refused: dict[str, Reply] = field(default_factory=dict)
    deferred: dict[str, Reply] = field(default_factory=dict)
    #: Sent, and the server's last word has not been heard.
    unknown: list[str] = field(default_factory=list)
    #: Why no (whole) conversation came about; worth another attempt.
    unavailable: str | None = None
    #: Why there can be none with these settings; not worth another attempt.
    hopeless: str | None = None


def deliver(
    raw: bytes,
    sender: str,
    recipients: Mapping[str, str],
    settings: SmtpSettings,
    outcome: Outcome,
    answered: Callable[[], None],
) -> None:
    """Send ``raw`` to ``recipients`` in one conversation and record in ``outcome`` what became of it.

    Args:
        raw: the message with CRLF line ends, 7 bit.
        sender: the envelope's sender.
        recipients: hash -> address for the envelope.
        outcome: filled in step by step.
        answered: called once the server has answered the message and ``outcome`` is complete, before the goodbye,
            which may take its time.

    Raises: nothing of SMTP, TLS or the network: those are in ``outcome``.
    """
    stage = "connecting"
    client: smtplib.SMTP | None = None
    orderly = False
    try:
        client = _connect(settings)
        stage = "greeting"
        client.ehlo_or_helo_if_needed()
        if settings.tls == "starttls":
            stage = "starting TLS"
            client.starttls(context=_tls_context(settings))
            client.ehlo_or_helo_if_needed()
        if settings.username is not None and settings.password is not None:
            stage = "logging in"
            _login(client, settings.username, settings.password.get_secret_value())
        stage = "sending"
        _transfer(client, raw, sender, recipients, outcome)
        answered()
        orderly = True
    except smtplib.SMTPResponseException as error:
        reply = Reply.of(error.smtp_code, error.smtp_error)
        _ended(outcome, stage, str(reply), hopeless=reply.permanent)
    except smtplib.SMTPNotSupportedError as error:
        _ended(outcome, stage, str(error), hopeless=True)
    except ssl.SSLCertVerificationError as error:
        _ended(outcome, stage, f"the server's certificate is not trusted ({error.verify_message})", hopeless=True)
    except UnicodeError:
        _ended(outcome, stage, "the host name of the server is not a valid one", hopeless=True)
    except (smtplib.SMTPException, OSError) as error:
        _ended(outcome, stage, f"{type(error).__name__}: {error}", hopeless=False)
    finally:
        if client is not None:
            _hang_up(client, orderly=orderly)


def _ended(outcome: Outcome, stage: str, reason: str, *, hopeless: bool) -> None:
    text = f"{stage}: {without_addresses(reason)}"[: 2 * _MAX_TEXT]
    if hopeless and not outcome.unknown:
        outcome.hopeless = text
    else:
        outcome.unavailable = text


def _tls_context(settings: SmtpSettings) -> ssl.SSLContext:
    # The default context checks the certificate and the host name.
    return ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)


def _connect(settings: SmtpSettings) -> smtplib.SMTP:
    if settings.tls == "tls":
        return smtplib.SMTP_SSL(
            settings.host,
            settings.port_in_effect,
            local_hostname=settings.helo_name,
            timeout=settings.timeout_s,
            context=_tls_context(settings),
        )
    return smtplib.SMTP(
        settings.host, settings.port_in_effect, local_hostname=settings.helo_name, timeout=settings.timeout_s
    )


def _login(client: smtplib.SMTP, username: str, password: str) -> None:
    try:
        client.login(username, password)
    except smtplib.SMTPException as error:
        if type(error) is smtplib.SMTPException:  # smtplib's way to say that no mechanism is shared
            raise smtplib.SMTPNotSupportedError("no login mechanism in common with the server") from None
        raise


def _transfer(client: smtplib.SMTP, raw: bytes, sender: str, recipients: Mapping[str, str], outcome: Outcome) -> None:
    # With SIZE a server can refuse a message that is too large before it is sent (RFC 1870).
    options = [f"size={len(raw)}"] if client.does_esmtp and client.has_extn("size") else []
    reply = Reply.of(*client.mail(sender, options))
    if not reply.positive:
        if reply.permanent:
            outcome.hopeless = f"the server refuses the sender or the message: {reply}"
        else:
            outcome.deferred.update(dict.fromkeys(recipients, reply))
        return

    willing = _announce(client, recipients, outcome)
    if not willing:
        return

    reply = Reply.of(*client.docmd("DATA"))
    if reply.code == 354:
        body = re.sub(rb"(?m)^\.", b"..", raw)  # dot-stuffing, RFC 5321 4.5.2
        _send_body(client, body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n", willing, outcome)
    else:
        _settle(reply, willing, outcome)


def _send_body(client: smtplib.SMTP, body: bytes, willing: list[str], outcome: Outcome) -> None:
    """Send the message and hear what the server says to it, whatever interrupts this thread meanwhile.

    An interrupt that comes while a thread waits surfaces when the wait is over. Were it the wait inside of reading, the
    interrupt would always take the answer with it; so the wait comes before. An attempt is interrupted once, so the
    answer can be read then.
    """
    assert client.sock is not None
    try:
        client.send(body)
        # send() raises unless the kernel took all of it, the final dot included. From here on the server may have it.
        outcome.unknown.extend(willing)
        _has_answer(client, client.sock.gettimeout())
    except (smtplib.SMTPException, OSError):
        raise
    except BaseException:
        with contextlib.suppress(smtplib.SMTPException, OSError):
            if _has_answer(client, _LAST_WORD_S):
                _settle(Reply.of(*client.getreply()), willing, outcome)
        raise
    _settle(Reply.of(*client.getreply()), willing, outcome)


def _has_answer(client: smtplib.SMTP, timeout_s: float | None) -> bool:
    """Wait until there is something to read, without reading it."""
    assert client.sock is not None
    with selectors.DefaultSelector() as selector:
        selector.register(client.sock, selectors.EVENT_READ)
        return bool(selector.select(timeout_s))


def _settle(reply: Reply, willing: list[str], outcome: Outcome) -> None:
    """``reply`` is the server's last word on the message for ``willing``."""
    if reply.positive:
        outcome.accepted.extend(willing)
    else:
        (outcome.refused if reply.permanent else outcome.deferred).update(dict.fromkeys(willing, reply))
    outcome.unknown.clear()  # last: an interrupt in between loses nothing


def _announce(client: smtplib.SMTP, recipients: Mapping[str, str], outcome: Outcome) -> list[str]:
    """Name every recipient to the server.

    Returns: the hashes of those it takes mail for; none when it is closing the channel.
    """
    willing: list[str] = []
    for who, address in recipients.items():
        reply = Reply.of(*client.rcpt(address))
        if reply.code == _CLOSING:
            told = {*outcome.refused, *outcome.deferred}
            outcome.deferred.update({each: reply for each in recipients if each not in told})
            return []
        if reply.positive:
            willing.append(who)
        elif reply.permanent and reply.code != 552:
            outcome.refused[who] = reply
        else:
            # 552 here means "too many recipients": to be tried again, like 452 (RFC 5321 4.5.3.1.10).
            outcome.deferred[who] = reply
    return willing


def _hang_up(client: smtplib.SMTP, *, orderly: bool) -> None:
    try:
        if orderly and client.sock is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                client.sock.settimeout(_QUIT_TIMEOUT_S)
                client.quit()
    finally:
        client.close()
