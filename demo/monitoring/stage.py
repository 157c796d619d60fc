"""All programs of the set: started in their order, watched, ended in the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

from callboard.cli.embedded import EmbeddedServer
from demo.monitoring.child import Child
from demo.monitoring.folder import Folder
from demo.monitoring.programs import Program

#: How long the embedded server may take to flush its file and end (in seconds).
_SERVER_GRACE_S = 15.0


class StageFailed(Exception):
    """A program could not be started, did not get ready, or ended by itself."""


class Stage:
    """Everything that runs. Use it from the main thread, and call ``tick`` until ``finished`` after ``stop``.

    Leaving the block ends at once whatever still runs.
    """

    def __init__(self, folder: Folder, server: EmbeddedServer | None, programs: Sequence[Program]) -> None:
        """Nothing runs before ``start``. ``server``: None when Redis is somebody else's."""
        self._folder = folder
        self._server = server
        self._programs = programs
        self._children: list[Child] = []
        self._kill_at: float | None = None
        self._kill_server_at: float | None = None
        self._killed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for child in self._children:
            if child.exit_code is None:
                child.kill()
        if self._server and self._server.running:
            self._server.kill()

    def start(self) -> Iterator[str]:
        """Start everything; each step yields what is waited for, until all are ready.

        Raises: StageFailed.
        """
        if self._server:
            self._server.start()
            while not self._server.ready():
                yield "Redis"
        for program in self._programs:
            try:
                self._children.append(Child(program, self._folder.log(program.name)))
            except OSError as error:
                raise StageFailed(f"{program.name} cannot be started: {error}") from error
        late = list(self._children)
        while late:
            late = [child for child in late if not child.ready()]
            if late:
                yield ", ".join(child.program.name for child in late)

    @property
    def pids(self) -> dict[str, int]:
        """Program -> its pid."""
        return {child.program.name: child.pid for child in self._children}

    @property
    def logs(self) -> Path:
        """Where the programs write what they print."""
        return self._folder.made("logs")

    @property
    def finished(self) -> bool:
        """Whether nothing runs any more."""
        return not self._running() and not (self._server and self._server.running)

    @property
    def ended_well(self) -> bool:
        """Whether nothing had to be killed."""
        return not self._killed

    def check(self) -> None:
        """See that everything runs.

        Raises: StageFailed, with the last words of what has ended by itself.
        """
        if self._server and not self._server.running:
            raise StageFailed(f"the embedded Redis ended ({self._server.log}): {self._server.last_words()}")
        for child in self._children:
            if child.exit_code is not None:
                said = f"{child.program.name} ended (exit code {child.exit_code}); {child.log}:\n{child.last_words()}"
                raise StageFailed(said)

    def stop(self) -> None:
        """Let everything end; the second call does not wait."""
        if self._kill_at is not None:
            self._kill()
            return
        self._kill_at = monotonic() + max([0.0, *(child.program.grace_s for child in self._children)])
        for child in self._children:
            child.terminate()

    def tick(self) -> None:
        """Go on with the end: kill what takes too long, and end Redis when nobody needs it any more."""
        if self._running():
            if self._kill_at is not None and monotonic() >= self._kill_at:
                self._kill()
        elif self._server and self._server.running:
            if self._kill_server_at is None:
                self._kill_server_at = monotonic() + _SERVER_GRACE_S
                self._server.stop()
            elif monotonic() >= self._kill_server_at:
                self._server.kill()

    def _running(self) -> list[Child]:
        return [child for child in self._children if child.exit_code is None]

    def _kill(self) -> None:
        for child in self._running():
            self._killed = True
            child.kill()
