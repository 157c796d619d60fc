"""Plans of flows: what waits for what, and what cannot be. Nothing here touches Redis."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.errors import BadRequest, InvalidFlow
from callboard.flows import plan
from callboard.flows.plan import Step, chain, group, step, steps_of


def s(name: str, **options: Any) -> Step:
    """A step whose actor has the name."""
    return step("one", name, **options)


def shape(last: Step) -> dict[str, list[str]]:
    """Which step waits for which, by their actors' names."""
    return {each.actor: [child.actor for child in each.after] for each in steps_of(last)}


def test_a_step_is_a_flow() -> None:
    assert shape(s("a")) == {"a": []}


def test_a_chain_is_its_last_step_which_waits_for_the_one_before() -> None:
    assert shape(chain(s("a"), s("b"), s("c"))) == {"a": [], "b": ["a"], "c": ["b"]}


def test_a_group_is_what_follows_it() -> None:
    assert shape(group(s("a"), s("b"), then=s("t"))) == {"a": [], "b": [], "t": ["a", "b"]}


def test_a_group_in_a_chain_waits_for_the_step_before_as_a_whole() -> None:
    last = chain(s("a"), group(s("b"), s("c"), then=s("d")), s("e"))
    assert shape(last) == {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"]}


def test_a_chain_in_a_group_counts_by_its_last_step() -> None:
    assert shape(group(chain(s("a"), s("b")), s("c"), then=s("t"))) == {"a": [], "b": ["a"], "c": [], "t": ["b", "c"]}


def test_a_step_that_several_wait_for_is_there_once_and_after_them() -> None:
    shared = s("shared")
    last = group(chain(shared, s("a")), chain(shared, s("b")), then=s("t"))
    order = [each.actor for each in steps_of(last)]
    assert sorted(order) == ["a", "b", "shared", "t"]
    assert order[0] == "t"
    assert order[-1] == "shared"


def test_a_long_chain_needs_no_stack() -> None:
    assert len(steps_of(chain(*[s(f"a{n}") for n in range(5_000)]))) == 5_000


def circle() -> Step:
    a, b = s("a"), s("b")
    a.after.append(b)
    b.after.append(a)
    return a


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidFlow, match="circle: .*a"):
        steps_of(circle())
    with pytest.raises(InvalidFlow, match="at least one step"):
        chain()
    with pytest.raises(InvalidFlow, match="at least one step"):
        group(then=s("t"))
    with pytest.raises(InvalidFlow, match="not of str"):
        chain(s("a"), "b")  # type: ignore[arg-type]
    with pytest.raises(InvalidFlow, match="needs `then`"):
        group(s("a"), then=None)  # type: ignore[arg-type]
    with pytest.raises(InvalidFlow, match="one/x is in the flow twice"):
        steps_of(chain(s("a", id="x"), s("b", id="x")))
    with pytest.raises(InvalidFlow, match="explode"):
        s("a", if_fails="explode")
    assert issubclass(InvalidFlow, BadRequest)


def test_one_id_on_two_queues_is_two_jobs() -> None:
    assert len(steps_of(chain(step("one", "a", id="x"), step("two", "b", id="x")))) == 2


def test_only_the_last_job_may_wait_for_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_CHILDREN", 3)
    many = [s(f"a{n}") for n in range(4)]
    assert len(steps_of(group(*many, then=s("t")))) == 5
    with pytest.raises(InvalidFlow, match="waits for 4 jobs"):
        steps_of(chain(group(*[s(f"b{n}") for n in range(4)], then=s("t")), s("z")))


def test_a_flow_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "MAX_JOBS", 10)
    with pytest.raises(InvalidFlow, match="at most 10 jobs"):
        steps_of(chain(*[s(f"a{n}") for n in range(11)]))
