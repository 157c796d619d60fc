"""``callboard flows`` as an operator types it."""

from __future__ import annotations

import pytest

from callboard.flows.plan import chain, group, step
from callboard.outbox import deliver_outbox
from callboard.service import QueueService
from callboard.verbs.fleet import publish
from tests.conftest import SettingsMaker
from tests.support.command import Call, caller, ok, read

_QUEUES = {"one": {}, "two": {}}


@pytest.fixture
def call(make_settings: SettingsMaker) -> Call:
    """A flow of four jobs that nobody runs: ``last`` on two after ``a`` and ``b`` on one, ``b`` after ``c`` on two."""
    settings = make_settings(queues=_QUEUES, only_queues=True)
    service = QueueService(settings)
    publish(service.store, {f"work_{queue}": {"queue": queue, "priority": 0} for queue in _QUEUES})
    b = chain(step("two", "work_two", id="c"), step("one", "work_one", id="b", if_fails="ignore"))
    service.add_flow(group(step("one", "work_one", id="a"), b, then=step("two", "work_two", id="last")))
    for queue in ("two", "one", "two"):
        deliver_outbox(service.store, settings.catalogue, queue)
    service.close()
    return caller(settings, _QUEUES, "flows")


def test_a_flow_is_shown_as_a_tree(call: Call) -> None:
    assert ok(call("show", "two", "c")) == (
        "blocked  two/last  work_two\n"
        "├── waiting  one/a  work_one\n"
        "└── blocked  one/b  work_one  (if it fails: ignore)\n"
        "    └── waiting  two/c  work_two\n"
        "4 jobs: 2 blocked, 2 waiting\n"
    )
    assert "… 1 more" in ok(call("show", "one", "a", "--limit", "2"))


def test_a_flow_is_shown_as_json(call: Call) -> None:
    node = read(call("show", "one", "a", "--json"))
    assert (node["queue"], node["id"], node["state"], node["more"]) == ("two", "last", "blocked", 0)
    assert [(child["id"], child["if_fails"]) for child in node["children"]] == [("a", "fail"), ("b", "ignore")]


def test_a_flow_is_cancelled_retried_and_removed(call: Call) -> None:
    assert ok(call("cancel", "one", "a", "--reason", "not today")) == "4 jobs cancelled\n"
    assert read(call("retry", "one", "a", "--json")) == {"retried": 4}
    assert "waiting  one/a" in ok(call("show", "one", "a"))
    assert ok(call("remove", "two", "last")) == "4 jobs removed\n"


@pytest.mark.parametrize("arguments", [("show", "two", "ghost"), ("cancel", "nowhere", "a"), ("remove", "two", "a b")])
def test_a_refusal_is_one_line_and_exit_code_1(call: Call, arguments: tuple[str, ...]) -> None:
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
