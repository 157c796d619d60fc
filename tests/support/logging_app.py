"""An application whose jobs log in every way: ``dramatiq tests.support.logging_app``. Settings from the environment."""

from __future__ import annotations

import logging
import threading

import dramatiq
import structlog

from callboard import CallboardBroker
from callboard.settings import Settings
from middleware.stack import default_stack

log = structlog.get_logger("app.jobs")
library = logging.getLogger("library")

settings = Settings()
dramatiq.set_broker(CallboardBroker(settings, middleware=default_stack(settings)))


@dramatiq.actor(queue_name="work")
def talk(password: str = "") -> None:
    """Logs through structlog and through the standard library."""
    structlog.contextvars.bind_contextvars(order=7)
    log.info("by structlog", password=password, text="two\nlines")
    log.debug("details")
    library.warning("by %s", "logging", extra={"n": 1})


@dramatiq.actor(queue_name="work")
def hear(word: str, skip: bool = False) -> None:
    """Gets something to itself; raises in the way that Dramatiq logs with the whole message, if asked."""
    if skip:
        raise dramatiq.RateLimitExceeded("not now")


@dramatiq.actor(queue_name="work")
async def talk_async() -> None:
    """Logs in a coroutine."""
    log.info("in a coroutine")
    await log.ainfo("beside it")


@dramatiq.actor(queue_name="work", max_attempts=1)
def fail() -> None:
    """Logs what it caught, and fails."""
    try:
        raise ValueError("no\nway")
    except ValueError:
        log.exception("caught")
        raise


@dramatiq.actor(queue_name="work", max_attempts=1, time_limit=300)
def interrupted() -> None:
    """Logs as fast as it can until its time limit."""
    never = threading.Event()
    while not never.is_set():
        log.info("still here")
