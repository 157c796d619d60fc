"""A worker dies between a finish and the delivery of what it carries: the next link is added exactly once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dramatiq import pipeline

from tests.support.deployment import Deployment
from tests.support.fault_app import build
from tests.support.proxy import HOLE, Proxy
from tests.support.wait import wait_until
from tests.support.workers import WorkerTree


@pytest.mark.parametrize("verb", ["outbox_read", "outbox_end"])
@pytest.mark.parametrize("kept", [1_000, 0])
def test_the_next_link_is_added_once(
    deployment: Deployment, proxy: Proxy, tmp_path: Path, verb: str, kept: int
) -> None:
    """Killed before it delivered (outbox_read), or after its target took it and before its source knows (outbox_end),
    when the target may have forgotten the job by then (``kept`` 0)."""
    deployment = replace(deployment, queue_options={"keep_completed": kept})
    ledger = deployment.ledger
    proxy.strike(verb, HOLE, times=10**6)
    broker = build(deployment.settings(), ledger)
    work, link = broker.get_actor("work"), broker.get_actor("link")
    with WorkerTree(deployment, tmp_path / "killed.log", url=proxy.url) as killed:
        killed.ready()
        for _ in range(3):
            pipeline([work.message(), link.message()], broker=broker).run()
        wait_until(lambda: deployment.totals().get("completed") == 3, 20, "the first links to finish")
        if verb == "outbox_end":
            wait_until(lambda: deployment.totals("next").get("completed"), 20, "a next link to run")
        killed.kill()
    with deployment.client() as client:
        assert client.zcard(deployment.key("outbox")) > 0, "the worker was killed before it had ended its delivery"
        with WorkerTree(deployment, tmp_path / "other.log") as other:
            other.ready()
            wait_until(lambda: client.zcard(deployment.key("outbox")) == 0, 20, "another worker to deliver")
            wait_until(lambda: deployment.totals("next").get("completed") == 3, 20, "the next links to run")
    assert deployment.totals("next")["added"] == 3
    assert len(ledger.lines("start")) == 6, "each link ran once"
    broker.close()
