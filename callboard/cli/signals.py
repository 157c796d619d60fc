"""Signals as a mailbox, so that a foreground command is one loop in one thread.

Handlers that act by themselves run between any two bytecodes of that loop. Here a handler does nothing, and the
signal's number arrives through a pipe (``signal.set_wakeup_fd``) where the loop reads it when it is ready to.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterable
from types import FrameType, TracebackType
from typing import Self

#: What a foreground command listens to; SIGCHLD wakes it when a child ended.
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


class SignalInbox:
    """Signals received while inside the ``with`` block; main thread only."""

    def __init__(self, signals: Iterable[signal.Signals] = HANDLED) -> None:
        """Args: signals: those to receive; others keep their effect."""
        self._signals = tuple(signals)
        self._previous: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._previous_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in self._signals:
            self._previous[number] = signal.signal(number, _ignore)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_fd)
        os.close(self._read)
        os.close(self._write)

    def wait(self, timeout_s: float) -> list[signal.Signals]:
        """Wait for signals.

        Args: timeout_s: longest wait (in seconds).
        Returns: the signals that came, in order; empty when the time was up.
        """
        select.select([self._read], [], [], max(0.0, timeout_s))
        try:
            return [signal.Signals(number) for number in os.read(self._read, 1024)]
        except BlockingIOError:
            return []


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """A handler must exist for a signal to reach the pipe."""
