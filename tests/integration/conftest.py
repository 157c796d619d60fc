"""Applications that run in the test's own process, on each kind of server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import dramatiq
import dramatiq.broker
import pytest

from demo.webhook_receiver import WebhookReceiver
from tests.conftest import SettingsMaker
from tests.support.app import QUEUES, App, Gate
from tests.support.schedules import KEEPS_ALL, Timetable
from tests.support.scrape import everything

#: Makes an :class:`App`; ``middleware`` replaces the platform's, other keywords change the settings.
AppMaker = Callable[..., App]


@pytest.fixture
def make_app(make_settings: SettingsMaker) -> Iterator[AppMaker]:
    """Makes applications, each stopped at the end. The last one's broker is Dramatiq's global one until then."""
    before = dramatiq.broker.global_broker
    with ExitStack() as stack:

        def make(middleware: list[dramatiq.Middleware] | None = None, **changes: Any) -> App:
            settings = make_settings(**{"queues": QUEUES, "only_queues": True, "sweep_ms": 200, **changes})
            app = App(settings, middleware)
            stack.callback(app.close)
            dramatiq.set_broker(app.broker)
            return app

        yield make
    dramatiq.broker.global_broker = before


@pytest.fixture
def app(make_app: AppMaker) -> App:
    """An application on three queues, ``one``, ``two`` and ``three``, whose worker the test starts."""
    return make_app()


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Where actors wait for the test; open at its end, so that no worker thread stays."""
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def table(make_settings: SettingsMaker) -> Iterator[Timetable]:
    """Schedules on two queues, ``q`` and ``r``, whose ticker the test calls."""
    table = Timetable(make_settings(queues={"q": KEEPS_ALL, "r": KEEPS_ALL}, only_queues=True))
    yield table
    table.close()


@pytest.fixture
def exported(make_settings: SettingsMaker) -> Iterator[Timetable]:
    """A deployment on two queues, ``q`` and ``r``, of which the exporter has everything to tell."""
    table = everything(make_settings(queues={"q": {}, "r": {}}, only_queues=True))
    yield table
    table.close()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """A server on loopback that keeps what is posted to it."""
    with WebhookReceiver() as receiver:
        yield receiver
