"""Exit codes of worker processes, for whoever watches them. sysexits.h has the meanings that 75 and 78 go by."""

from __future__ import annotations

#: The process reached a limit of its own (``CALLBOARD_MAX_JOBS``, ``CALLBOARD_MAX_MEMORY_MB``) and ended in order:
#: start it again at once. EX_TEMPFAIL.
RECYCLED = 75

#: The data in Redis is of another format version: to start again does not help. EX_CONFIG.
FORMAT = 78
