"""Where an actor that measures pickup writes how long its job took to reach its first line."""

from __future__ import annotations

import os


def note(sent_ns: int, now_ns: int) -> None:
    """Append one line with the nanoseconds between the add and the actor's first line.

    Both are CLOCK_MONOTONIC, which all processes of a machine share and nobody sets.
    """
    descriptor = os.open(os.environ["BENCH_PICKUP_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, b"%d\n" % (now_ns - sent_ns))
    os.close(descriptor)
