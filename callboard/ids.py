"""Job ids: made, checked, and packed for Redis.

A job id is 1–128 characters of ``A-Za-z0-9._:-``. Ids made here are short and sort by time; Dramatiq's ``send()`` makes
36-character UUIDs, which are stored in 23 bytes: an id is stored three times a job, so its size counts.
"""

from __future__ import annotations

import os
import re
import threading
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode

from callboard.errors import InvalidOption

_VALID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

#: Marks a packed UUID; not a character that an id may have.
_UUID_MARK = "~"

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]

_lock = threading.Lock()
_last = 0


def _start_anew() -> None:
    """A forked child must not count on from its parent's last id: both would make the same ones. Nor must it wait for
    the lock, which a thread of the parent may have held at the fork."""
    global _last, _lock
    _last, _lock = 0, threading.Lock()


os.register_at_fork(after_in_child=_start_anew)


def new_id() -> str:
    """A new job id: 20 characters, 44 bits of time (ms) and 56 random bits, rising within a process.

    Within one millisecond and process the random part counts up, so that ids keep the order in which they were made;
    two processes collide with a probability of about 10^-13 for each pair of ids of one millisecond.
    """
    global _last
    fresh = (int(time.time() * 1000) << 56) | (int.from_bytes(os.urandom(7), "big") >> 1)
    with _lock:
        if fresh >> 56 <= _last >> 56:
            fresh = _last + 1
        _last = fresh
    pairs = _PAIRS
    return (
        pairs[fresh >> 90 & 1023] + pairs[fresh >> 80 & 1023] + pairs[fresh >> 70 & 1023] + pairs[fresh >> 60 & 1023]
        + pairs[fresh >> 50 & 1023] + pairs[fresh >> 40 & 1023] + pairs[fresh >> 30 & 1023]
        + pairs[fresh >> 20 & 1023] + pairs[fresh >> 10 & 1023] + pairs[fresh & 1023]
    )  # fmt: skip


def check_id(job_id: object) -> str:
    """Return ``job_id`` if it may be one.

    Raises: InvalidOption saying what an id may look like.
    """
    if not isinstance(job_id, str) or not _VALID.fullmatch(job_id):
        raise InvalidOption(f"job id {str(job_id)[:140]!r} is not 1–128 characters of A-Z a-z 0-9 . _ : -")
    return job_id


def pack_id(job_id: str) -> str:
    """The stored form of a job id: a UUID in 23 characters, any other id as it is."""
    if len(job_id) == 36 and _UUID.fullmatch(job_id):
        return _UUID_MARK + urlsafe_b64encode(bytes.fromhex(job_id.replace("-", ""))).decode()[:22]
    return job_id


def unpack_id(stored: str) -> str:
    """The job id of a stored form."""
    if stored[0] == _UUID_MARK:
        digits = urlsafe_b64decode(stored[1:] + "==").hex()
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return stored
