"""Redis does not answer a producer: the wait is bounded and the error says what happened."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from dramatiq.errors import BrokerConnectionError

from callboard.errors import StoreUnavailable
from tests.support.deployment import Deployment
from tests.support.fault_app import build
from tests.support.redis_server import Server
from tests.support.wait import last

ADD_TIMEOUT_S = 1.0


@pytest.fixture
def published(deployment: Deployment) -> Deployment:
    """The actors are known, as after the first start of a worker."""
    deployment.publish("work")
    return deployment


@pytest.mark.parametrize(("fault", "reply_timeout_s"), [("killed", 0.5), ("frozen", 0.5), ("frozen", ADD_TIMEOUT_S)])
def test_an_add_waits_for_a_bounded_time(
    published: Deployment, server: Server, fault: str, reply_timeout_s: float
) -> None:
    service = published.service(
        add_timeout_s=ADD_TIMEOUT_S, socket_timeout_s=reply_timeout_s, connect_timeout_s=reply_timeout_s
    )
    service.add_job("work", "work", id="before")
    server.kill() if fault == "killed" else server.freeze()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        service.add_job("work", "work", id="during")
    took = time.monotonic() - began
    assert ADD_TIMEOUT_S / 2 <= took <= ADD_TIMEOUT_S + 0.5, f"gave up after {took:.2f} s"
    assert isinstance(caught.value, BrokerConnectionError), "Dramatiq's own error for an unreachable broker"
    server.start() if fault == "killed" else server.thaw()
    assert service.add_job("work", "work", id="after").status == "added"
    assert service.add_job("work", "work", id="before").status == "duplicate"
    service.close()


def test_send_raises_the_same_typed_error(published: Deployment, server: Server) -> None:
    settings = published.settings(add_timeout_s=ADD_TIMEOUT_S, socket_timeout_s=0.5, connect_timeout_s=0.5)
    broker = build(settings, published.ledger)
    server.kill()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        broker.get_actor("work").send()
    assert time.monotonic() - began <= ADD_TIMEOUT_S + 1
    broker.close()


def test_an_add_outlives_a_short_outage(published: Deployment, server: Server) -> None:
    service = published.service(add_timeout_s=20)
    service.add_job("work", "work", id="before")
    server.kill()
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(service.add_job, "work", "work", id="during")
        last(0.5)
        assert not adding.done(), "it waits for Redis"
        server.start()
        assert adding.result(20).status == "added"
    assert published.totals()["added"] == 2
    service.close()
