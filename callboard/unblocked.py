"""Writing to a descriptor whose reader is slow, or never reads: nobody waits for it longer than they mean to.

Standard error is often a pipe, and its other end somebody else's: an agent that has stopped reading must not stop the
workers. ``O_NONBLOCK`` belongs to the open file, which other processes share, so it is never set there.
"""

from __future__ import annotations

import os
import select
import stat
import sys
from time import monotonic

#: A write to a pipe of at most so many bytes is not mixed with other processes' (POSIX PIPE_BUF). Where a pipe is
#: reported writable there is room for so many (pipe(7)).
PIPE_BUF = 4096


def write_within(descriptor: int, data: bytes, wait_s: float) -> bytes:
    """Write ``data``, waiting at most ``wait_s`` seconds for a reader.

    Returns: what was not written; nothing when all was, or when there is nobody to read it (any more).
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    until = monotonic() + wait_s
    view, own = memoryview(data), _own(descriptor)
    # Somebody else may fill the pipe between the look and the write. An open file of our own does not wait then.
    size = PIPE_BUF if own is None and not stat.S_ISREG(os.fstat(descriptor).st_mode) else len(data)
    try:
        while view and poll.poll(max(0.0, until - monotonic()) * 1000):
            try:
                view = view[os.write(descriptor if own is None else own, view[:size]) :]
            except BlockingIOError:
                if monotonic() >= until:
                    break
    except OSError:
        return b""
    finally:
        if own is not None:
            os.close(own)
    return bytes(view)


def tell_within(text: str, wait_s: float) -> None:
    """Write ``text`` to standard error, waiting at most ``wait_s`` seconds for a reader."""
    try:
        descriptor = sys.stderr.fileno()
    except (OSError, ValueError):  # a stand-in without a descriptor: nobody has to be waited for
        sys.stderr.write(text)
    else:
        write_within(descriptor, text.encode(errors="backslashreplace"), wait_s)


def _own(descriptor: int) -> int | None:
    """The same pipe, opened once more so that writes do not wait; None if it is none, or the system cannot do that."""
    try:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return None
        return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None


class Unblocked:
    """A text stream on a descriptor, for ``sys.stderr``: what its reader does not take in time is left out."""

    encoding = "utf-8"

    def __init__(self, descriptor: int, wait_s: float) -> None:
        """``wait_s``: the longest wait for its reader at each write (in seconds)."""
        self._descriptor = descriptor
        self._wait_s = wait_s

    def write(self, text: str) -> int:
        """Write it, or what is taken of it."""
        write_within(self._descriptor, text.encode(errors="backslashreplace"), self._wait_s)
        return len(text)

    def flush(self) -> None:
        """Nothing is kept back."""

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether people read it."""
        return os.isatty(self._descriptor)
