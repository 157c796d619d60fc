"""What stands in for the parts of a broker that need threads or Redis: results, and the event loop of async actors."""

from __future__ import annotations

import asyncio
import contextvars
import copy
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from dramatiq import Message, Middleware
from dramatiq.results import ResultMissing, Results, ResultTimeout

from callboard.results import CallboardResults
from callboard.store.store import Store

T = TypeVar("T")

#: What begins its work in these hooks cannot work where there is no worker process.
_BOOT_HOOKS = ("before_worker_boot", "after_worker_boot", "after_process_boot")


def runs_inline(middleware: Middleware) -> bool:
    """Whether a middleware takes part: it says so by an attribute ``runs_inline``; if it says nothing, it takes part
    unless it starts something when a worker boots (threads, servers, an event loop)."""
    said: bool | None = getattr(middleware, "runs_inline", None)
    if said is not None:
        return said
    return all(getattr(type(middleware), hook, None) is getattr(Middleware, hook) for hook in _BOOT_HOOKS)


def inline_stack(stack: Iterable[Middleware], store: Store, run: Callable[[], None]) -> list[Middleware]:
    """Those of a broker's middleware that take part, in their order; results are kept in ``store``.

    ``run`` is called by whoever waits for a result: it lets the due jobs run.
    """
    taken = [middleware for middleware in stack if runs_inline(middleware)]
    return [_with_backend(m, InlineResults(store, run)) if isinstance(m, Results) else m for m in taken]


def _with_backend(results: Results, backend: CallboardResults) -> Results:
    own = copy.copy(results)
    own.backend = backend
    return own


class InlineResults(CallboardResults):
    """Results in memory. Waiting for one lets the due jobs run, on this thread."""

    def __init__(self, store: Store, run: Callable[[], None]) -> None:
        super().__init__(store)
        self._run = run

    def get_result(self, message: Message[Any], *, block: bool = False, timeout: int | None = None) -> Any:
        """As Dramatiq's. With ``block`` the due jobs are run first; time does not move.

        Raises: ResultMissing; ResultTimeout with ``block``; ResultFailure.
        """
        if block:
            self._run()
        try:
            return super().get_result(message)
        except ResultMissing:
            if not block:
                raise
            raise ResultTimeout(message) from None


class InlineLoop:
    """In the place of Dramatiq's event loop thread: runs the coroutines of async actors on the calling thread, all on
    one loop, as in a worker process."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None

    def run_coroutine(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it to its end. Raises: RuntimeError inside a running event loop."""
        if _loop_runs_here():
            coroutine.close()
            raise RuntimeError("async actors cannot be run inline in an async test: run the jobs in a synchronous one")
        if self._runner is None:
            self._runner = asyncio.Runner()
        return self._runner.run(coroutine, context=contextvars.copy_context())

    def close(self) -> None:
        """End the loop."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None


def _loop_runs_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
