"""``inline_broker()``: the actors of an application on an inline broker for a while, and everything as before after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import dramatiq
import dramatiq.broker
from dramatiq import Actor, Broker, Middleware
from dramatiq.asyncio import get_event_loop_thread, set_event_loop_thread

from callboard.broker import CallboardBroker
from callboard.settings import Settings
from callboard.testing.broker import InlineBroker
from callboard.testing.clock import Clock
from callboard.testing.stand_ins import InlineLoop


@contextmanager
def inline_broker(
    source: Broker | None = None,
    *,
    middleware: Iterable[Middleware] | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
) -> Iterator[InlineBroker]:
    """Move the actors of ``source`` onto an :class:`InlineBroker` for a ``with`` block; it is Dramatiq's broker then.

    Actors may be declared already, as they are when their modules were imported at the top of a test; those that are
    declared inside of the block end with it.

    Args:
        source: the broker that the actors are on (default: Dramatiq's global one, if it was set).
        middleware: the stack (default: that of ``source``). Of either, what starts threads when a worker boots is left
            out, and results are kept in memory.
        settings: queues and limits (default: those of ``source``, else from the environment). Redis is not used.
        clock: the clock that delays go by (default: one that starts now).

    Raises: UnknownQueue when an actor of ``source`` is on a queue that the catalogue does not have.
    """
    before = dramatiq.broker.global_broker
    source = source or before
    if middleware is None:
        middleware = source.middleware if source is not None else ()
    if settings is None and isinstance(source, CallboardBroker):
        settings = source.settings
    inline = InlineBroker(settings, middleware=middleware, clock=clock)
    loop, loop_before = InlineLoop(), get_event_loop_thread()
    moved: list[tuple[Actor[Any, Any], Broker, Any]] = []
    try:
        for actor in list(source.actors.values()) if source is not None else []:
            moved.append((actor, actor.broker, actor.fn))
            actor.broker = inline
            inline.declare_actor(actor)
        dramatiq.set_broker(inline)
        set_event_loop_thread(loop)  # type: ignore[arg-type]  # all that actors ask of it is run_coroutine
        yield inline
    finally:
        for actor, broker, fn in moved:
            actor.broker, actor.fn = broker, fn
        dramatiq.broker.global_broker = before
        set_event_loop_thread(loop_before)
        loop.close()
        inline.close()
