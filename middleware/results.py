"""Return values, kept with their jobs: Dramatiq's Results, for every actor, on Callboard's storage."""

from __future__ import annotations

import logging

from dramatiq.results import Results

from callboard.results import CallboardResults
from callboard.settings import Settings
from callboard.store.store import open_store

logger = logging.getLogger("callboard.results")


def results(settings: Settings) -> Results:
    """Results for every actor that does not say ``store_results=False``; they live as long as their jobs, or for the
    ``result_ttl`` (ms) of a message or an actor. ``callboard.results`` has the rules.

    Not a class of its own: Dramatiq's worker looks for ``Results`` itself, and warns at each value when it finds none.
    """
    middleware = Results(backend=CallboardResults(open_store(settings)), store_results=True)
    middleware.result_ttl = None  # its own default, ten minutes, would be a time for every result
    logger.setLevel(logging.ERROR)
    middleware.logger = logger  # it warns at each value of an actor that says that it wants none kept
    return middleware
