"""Every verb on a job in every state: what the table says, and nothing else."""

from __future__ import annotations

import pytest

from callboard.errors import InvalidOption, JobNotFound, WrongState
from callboard.verbs.steering import ALL_STATES, EFFECTS
from tests.support.engine import Engine
from tests.support.steering import PLACES, Desk

#: What the words of the table mean: the answer, and the state after; None: no such job, "same": unchanged.
MEANING = {
    "gone, with all that is kept about it": ("done", None),
    "waiting, at its own priority": ("done", "waiting"),
    "already": ("already", "same"),
    "cancelled at once": ("done", "cancelled"),
    "told: its actor is interrupted within a second, then cancelled": ("told", "same"),
    "behind its equals of the new priority": ("done", "same"),
    "takes effect when it waits": ("done", "same"),
    "delayed until then": ("done", "delayed"),
    "the new payload": ("done", "same"),
}

CELLS = [(verb, place) for verb in EFFECTS for place in PLACES]


@pytest.fixture
def desk(engine: Engine) -> Desk:
    return Desk(engine)


def test_the_table_names_states_that_there_are() -> None:
    assert set(PLACES.values()) == set(ALL_STATES)
    for verb, effects in EFFECTS.items():
        assert set(effects) <= set(ALL_STATES), verb


@pytest.mark.parametrize(("verb", "place"), CELLS, ids=lambda part: part)
def test_a_verb_does_what_the_table_says(desk: Desk, verb: str, place: str) -> None:
    job_id, before = desk.put(place), PLACES[place]
    effect = EFFECTS[verb].get(before, "refused")
    held = desk.engine.snapshot()
    if effect.startswith("refused"):
        with pytest.raises(WrongState) as refusal:
            desk.verb(verb, job_id)
        assert refusal.value.state == before
        assert before in str(refusal.value)
        assert desk.engine.snapshot() == held, "a refusal changed something"
        return
    outcome, after = MEANING[effect]

    assert desk.verb(verb, job_id) == outcome

    if after is None:
        with pytest.raises(JobNotFound):
            desk.state(job_id)
        found = desk.engine.snapshot()
        assert not any(job_id in str(value) for name, value in found.keys.items() if name not in ("events", "calls"))
    else:
        assert desk.state(job_id) == (before if after == "same" else after)
    if outcome == "already":
        assert desk.engine.snapshot() == held


@pytest.mark.parametrize("verb", EFFECTS)
def test_an_id_that_no_job_has_is_not_found(desk: Desk, verb: str) -> None:
    desk.put("waiting")
    held = desk.engine.snapshot()
    with pytest.raises(JobNotFound, match="no job 'ghost' in queue 'q'"):
        desk.verb(verb, "ghost")
    assert desk.engine.snapshot() == held


@pytest.mark.parametrize("verb", EFFECTS)
@pytest.mark.parametrize("bad", ["", "a b", "a,b", "x" * 129, "~tilde", "a\n", "ü", None, 7])
def test_what_cannot_be_an_id_is_refused(desk: Desk, verb: str, bad: object) -> None:
    with pytest.raises(InvalidOption, match="is not 1–128 characters"):
        desk.verb(verb, bad)  # type: ignore[arg-type]  # what an untyped caller may pass


@pytest.mark.parametrize("verb", EFFECTS)
def test_ids_that_dramatiq_made_are_found(desk: Desk, verb: str) -> None:
    place = next(place for place in PLACES if not EFFECTS[verb].get(PLACES[place], "refused").startswith("refused"))
    job_id = desk.put(place, "0f8fad5b-d9cb-469f-a165-70867728950e")
    assert desk.verb(verb, job_id) == MEANING[EFFECTS[verb][PLACES[place]]][0]
    events = desk.service.get_events("q")
    assert {i for event in events for i in event.job_ids} == {job_id}


def test_force_tells_an_active_job_to_go(desk: Desk) -> None:
    job_id = desk.put("active")
    assert desk.service.remove_job("q", job_id, force=True) == "told"
    assert desk.state(job_id) == "active"
    assert desk.worker.cycle().cancels == [job_id.encode()]
    assert desk.worker.finish(job_id, "x") == "1"
    with pytest.raises(JobNotFound):
        desk.state(job_id)
    assert desk.engine.snapshot().totals == {"added": 1, "cancelled": 1, "removed": 1}


def test_the_same_priority_again_changes_nothing(desk: Desk) -> None:
    job_id = desk.put("waiting")
    assert desk.service.reprioritise_job("q", job_id, 5) == "already"


def test_a_waiting_job_rescheduled_to_now_keeps_its_turn(desk: Desk) -> None:
    first, second = desk.put("waiting"), desk.put("waiting")
    assert desk.service.reschedule_job("q", first, delay=0) == "done"
    assert desk.of("waiting") == [first, second]
