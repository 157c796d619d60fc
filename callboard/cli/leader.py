"""The ``dramatiq`` command, as the leader of a tree (see ``tree``): its log holds up nothing.

Its main process passes on what its worker prints, and at the end waits until all of that is written: with a standard
error that nobody reads it would never end, and its slot would stay empty.
"""

from __future__ import annotations

import sys

from dramatiq import cli

from callboard.unblocked import Unblocked

#: How long a reader is waited for at each write (seconds).
_WAIT_S = 0.1

if __name__ == "__main__":
    sys.stderr = Unblocked(2, _WAIT_S)
    sys.exit(cli.main())
