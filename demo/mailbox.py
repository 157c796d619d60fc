"""Reads the mailbox back and says what is wrong with it: the proof that emails were sent, and sent once."""

from __future__ import annotations

import email
import email.policy
from collections import Counter
from collections.abc import Sequence
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path

from demo.emails import SENDER, Letter
from demo.smtp import ReceivedMail


def files_of_letter(mails: Sequence[ReceivedMail], letter: Letter) -> list[str]:
    """The files in which ``letter`` arrived, in the order of arrival."""
    return [str(mail.path) for mail in mails if mail.path and mail.message["Subject"] == letter.subject]


def check_mailbox(mails: Sequence[ReceivedMail], letters: Sequence[Letter]) -> list[str]:
    """What is wrong; empty when every letter arrived as it was meant, one copy a recipient, and nothing else did.

    Letters are told apart by their subjects. Several mails may carry one letter, to different recipients; they must
    then have one Message-ID. Bytes of attachments are compared by their SHA-256.
    """
    wrong: list[str] = []
    arrived: dict[str, list[tuple[ReceivedMail, EmailMessage]]] = {letter.subject: [] for letter in letters}
    for mail in mails:
        message = _read(mail)
        subject = str(message["Subject"])
        if subject in arrived:
            arrived[subject].append((mail, message))
        else:
            wrong.append(f"nobody sent a mail {subject!r}, yet it arrived")
    ids: dict[str, str] = {}
    for letter in letters:
        copies = arrived[letter.subject]
        problems = _check_envelopes(letter, [mail for mail, _ in copies])
        message_ids = {str(message["Message-ID"]) for _, message in copies}
        if len(message_ids) > 1:
            problems.append(f"its copies have {len(message_ids)} Message-IDs instead of one")
        for message_id in message_ids:
            if message_id in ids:
                problems.append(f"its Message-ID is also that of {ids[message_id]!r}")
            ids[message_id] = letter.subject
        for _, message in copies:
            problems += _check_content(letter, message)
        wrong += [f"mail {letter.subject!r}: {problem}" for problem in problems]
    return wrong


def _read(mail: ReceivedMail) -> EmailMessage:
    """The mail as it lies in the folder, which is what the demo shows."""
    raw = Path(mail.path).read_bytes() if mail.path else mail.raw
    return email.message_from_bytes(raw, policy=email.policy.default)


def _check_envelopes(letter: Letter, mails: Sequence[ReceivedMail]) -> list[str]:
    got = Counter(recipient for mail in mails for recipient in mail.recipients)
    wrong = [f"{who} got {got[who]} copies instead of one" for who in letter.recipients if got[who] != 1]
    return wrong + [f"{who} got it and should not" for who in got if who not in letter.recipients]


def _digest(part: EmailMessage) -> str:
    content = part.get_payload(decode=True)
    return sha256(content if isinstance(content, bytes) else b"").hexdigest()


def _check_content(letter: Letter, message: EmailMessage) -> list[str]:
    wrong = []
    if message["From"] != SENDER:
        wrong.append(f"it is from {message['From']}")
    for kind in ("plain", "html"):
        part = message.get_body((kind,))
        if part is None:
            wrong.append(f"it has no {kind} part")
        elif letter.phrase not in part.get_content():
            wrong.append(f"its {kind} part does not say {letter.phrase!r}")
    sent = {name: (kind, sha256(content).hexdigest()) for name, (kind, content) in letter.files.items()}
    files = list(message.iter_attachments())
    found = {str(part.get_filename()): (part.get_content_type(), _digest(part)) for part in files}
    if found != sent or len(files) != len(sent):
        names = ", ".join(str(part.get_filename()) for part in files) or "none"
        wrong.append(f"its attachments ({names}) are not those that were sent ({', '.join(sent) or 'none'})")
    return wrong
