"""pytest's plugin of ``callboard.testing``: the fixtures ``callboard_broker`` and ``callboard_clock``.

It stands beside the package and imports it only when a fixture is asked for: pytest loads the plugins of all installed
packages at every start, and a suite that has nothing to do with Callboard must not pay for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from callboard.testing import Clock, InlineBroker


@pytest.fixture
def callboard_broker() -> Iterator[InlineBroker]:
    """An inline broker that the actors of Dramatiq's global broker are on while the test runs; no Redis is needed.

    Override it for other actors or settings::

        @pytest.fixture
        def callboard_broker():
            with inline_broker(my_broker, settings=Settings(…)) as broker:
                yield broker
    """
    from callboard.testing import inline_broker

    with inline_broker() as broker:
        yield broker


@pytest.fixture
def callboard_clock(callboard_broker: InlineBroker) -> Clock:
    """The clock that the delays of ``callboard_broker`` go by."""
    return callboard_broker.clock
