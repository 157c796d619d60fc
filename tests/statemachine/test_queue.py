"""The real scripts against a plain model, on each kind of server.

``CALLBOARD_TEST_EXAMPLES`` sets the number of examples a server; the long test runs twenty times the usual.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from callboard.settings import Settings
from callboard.store.store import open_store
from tests.conftest import SettingsMaker
from tests.statemachine.base import QUEUE
from tests.statemachine.machine import QueueMachine

#: Examples a server, and calls an example.
EXAMPLES = int(os.environ.get("CALLBOARD_TEST_EXAMPLES", "200"))
STEPS = 40

#: Examples a run of Hypothesis. After its first ten (its health check) it would follow each example with five slight
#: variations of it, which find little here.
BATCH = 10


def run(given: Settings, examples: int) -> None:
    """Run ``examples`` examples of the machine on one server."""

    class OnThisServer(QueueMachine):
        stores = (open_store(given), open_store(given))

    try:
        for _ in range(-(-examples // BATCH)):
            run_state_machine_as_test(
                OnThisServer,
                settings=settings(
                    max_examples=BATCH, stateful_step_count=STEPS, deadline=None, database=None,
                    suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.shrink),
                ),
            )  # fmt: skip
    finally:
        for store in OnThisServer.stores:
            store.close()
    assert OnThisServer.examples >= examples


@pytest.mark.timeout(600)  # while it passes it takes 20 s; a failure is shrunk for minutes
def test_the_scripts_do_what_the_model_says(make_settings: SettingsMaker) -> None:
    run(make_settings(queues={"q": QUEUE}, only_queues=True), EXAMPLES)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_scripts_do_what_the_model_says_at_length(make_settings: SettingsMaker) -> None:
    run(make_settings(queues={"q": QUEUE}, only_queues=True), 20 * EXAMPLES)
