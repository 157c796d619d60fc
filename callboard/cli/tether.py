"""Run a command that is told to end when the process that started it is gone, even by SIGKILL.

Run as ``python -I -S tether.py PARENT-PID COMMAND …``; it becomes COMMAND and keeps its pid.

Why a program of its own: the request (``PR_SET_PDEATHSIG``, prctl(2)) has to be made in the child, between fork and
exec. subprocess's ``preexec_fn`` runs Python there and can deadlock on a lock that another thread of the parent held
at the fork. A fresh interpreter has one thread and no such locks, and the request survives its exec. ``-I -S`` keeps
the detour to about 15 ms.

The signal is SIGTERM, so that workers hand back what they have not started and finish what runs. It is sent when the
*thread* that started the child ends: start children from the main thread. Only Linux has this; elsewhere the command
runs without it and outlives a supervisor that was killed.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Become the command in ``argv[1:]``, a child of the process with pid ``argv[0]`` for as long as that lives.

    Raises: OSError if the command cannot be executed.
    """
    parent, command = int(argv[0]), argv[1:]
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        # The parent may have ended before the request was made: then nothing would ever be sent.
        if os.getppid() != parent:
            sys.exit("the process that started this one is gone")
    os.execvp(command[0], command)  # noqa: S606  # the whole point: become the command, without a shell


if __name__ == "__main__":
    main(sys.argv[1:])
