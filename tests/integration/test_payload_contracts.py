"""An actor with a payload model, on real servers: at the door of each kind of producer, and in the worker."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from callboard import QueueService
from callboard.errors import PayloadInvalid
from callboard.service import JobSpec
from callboard.store.store import Store
from callboard.verbs import fleet
from tests.integration.conftest import AppMaker
from tests.support.app import App
from tests.support.wait import wait_until


class Greeting(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    times: int = 1


class Named(BaseModel):
    first: str
    last: str = ""


def greeting(app: App, model: type[BaseModel] = Greeting, **options: Any) -> Any:
    def greets(payload: Any) -> None:
        app.say(payload.model_dump())

    return app.actor(greets, actor_name="greets", payload=model, **options)


def test_the_actor_gets_its_model(app: App) -> None:
    greets = greeting(app)
    app.start()
    assert app.ended(greets.send(name="Ada")).state == "completed"
    assert app.said == [{"name": "Ada", "times": 1}]


def test_send_refuses_what_does_not_fit(app: App) -> None:
    greets = greeting(app)
    with pytest.raises(PayloadInvalid, match="times: Input should be a valid integer"):
        greets.send(name="Ada", times="often")
    assert app.stats("one").waiting == 0


def test_a_producer_that_imports_no_actor_gets_field_and_reason(app: App) -> None:
    greeting(app)
    app.start()
    service = QueueService(app.settings)
    with pytest.raises(PayloadInvalid, match='times: it is not of type "integer"'):
        service.add_job("one", "greets", {"name": "Ada", "times": "often"})
    with pytest.raises(PayloadInvalid, match='"name" is a required property'):
        service.add_jobs("one", [JobSpec("greets", {"name": "Ada"}), JobSpec("greets", {})])
    assert app.stats("one").totals.get("added", 0) == 0
    service.close()


def test_an_edit_is_checked_too(app: App) -> None:
    greets = greeting(app)
    app.start()
    job = greets.send_with_options(kwargs={"name": "Ada"}, delay=60_000)
    service = QueueService(app.settings, store=app.broker.store)
    with pytest.raises(PayloadInvalid, match="name"):
        service.edit_job("one", job.message_id, {"nam": "Grace"})
    service.edit_job("one", job.message_id, {"name": "Grace"})
    service.promote_job("one", job.message_id)
    assert app.ended(job).state == "completed"
    assert app.said == [{"name": "Grace", "times": 1}]


def test_what_no_longer_fits_fails_for_good_with_the_reason(make_app: AppMaker) -> None:
    old = make_app()
    job = greeting(old).send(name="Ada")
    new = make_app()
    greeting(new, Named)
    new.start()
    view = new.ended(job)
    assert (view.state, view.attempts_made) == ("failed", 1)
    assert view.reason == "PayloadUnfit: the payload does not fit 'greets': first: Field required"


def test_an_older_payload_is_upgraded(make_app: AppMaker) -> None:
    job = greeting(make_app()).send(name="Ada Lovelace")
    new = make_app()

    def upgrade(payload: dict[str, Any], version: int) -> dict[str, Any]:
        first, _, last = payload["name"].partition(" ")
        return {"first": first, "last": last}

    greets = greeting(new, Named, payload_version=2, upgrade=upgrade)
    new.start()
    assert new.ended(job).state == "completed"
    assert new.ended(greets.send(first="Grace")).state == "completed"
    assert new.said == [{"first": "Ada", "last": "Lovelace"}, {"first": "Grace", "last": ""}]


def test_a_newer_payload_waits_and_costs_no_attempt(make_app: AppMaker) -> None:
    job = greeting(make_app(), Named, payload_version=2).send(first="Ada")
    old = make_app()
    greeting(old)
    old.start()
    wait_until(lambda: old.job(job).state == "delayed", 10, "the job to be put off")
    view = old.job(job)
    assert [attempt.outcome for attempt in view.attempts] == ["deferred"]
    assert view.attempts_made == 0
    assert "waits for a newer worker" in view.attempts[0].error_message


def test_a_plain_call_of_another_actor_has_that_actors_version(app: App) -> None:
    def upgrade(payload: dict[str, Any], version: int) -> dict[str, Any]:
        return {"first": f"of version {version}: {payload['first']}"}

    def says(named: Any) -> None:
        app.say(named.first)

    old = app.actor(says, actor_name="old", payload=Named)
    new = app.actor(says, actor_name="new", payload=Named, payload_version=2, upgrade=upgrade)

    def calls_both(named: Any) -> None:
        old(first=named.first)
        new(first=named.first)
        if named.last:
            callers[1](first="again")

    callers = [
        app.actor(calls_both, actor_name=f"caller{version}", payload=Named, payload_version=version)
        for version in (1, 2)
    ]
    app.start()
    assert app.ended(callers[0].send(first="Ada")).state == "completed"
    assert app.ended(callers[1].send(first="Grace", last="Hopper")).state == "completed"
    assert app.said == ["Ada", "Ada", "Grace", "Grace", "again", "again"]


def entry(version: int, queue: str = "one") -> dict[str, dict[str, Any]]:
    described = {"queue": queue, "priority": 0, "schema": {"required": [], "n": 0.1}, "payload_version": version}
    return {"a": described if version else {"queue": queue, "priority": 0}}


def said(store: Store) -> dict[str, Any]:
    told = fleet.actors(store)["a"]
    assert told.pop("said_ms") > 0
    return told


def test_an_old_worker_that_restarts_does_not_replace_what_new_ones_take(store: Store) -> None:
    fleet.publish(store, entry(2))
    for older in (1, 0):
        fleet.publish(store, entry(older))
        assert said(store) == entry(2)["a"]
    fleet.publish(store, entry(3))
    assert said(store) == entry(3)["a"]


def test_a_version_that_nobody_says_any_more_gives_way_to_a_lower_one(store: Store) -> None:
    fleet.publish(store, entry(2))
    fleet.publish(store, entry(1), again=True, said_for_ms=0)
    assert said(store) == entry(1)["a"]


def test_what_is_said_again_keeps_the_version_but_not_a_newer_schema_away(store: Store) -> None:
    fleet.publish(store, entry(2, "new"))
    before = fleet.actors(store)["a"]["said_ms"]
    fleet.publish(store, entry(2, "old"), again=True)
    assert said(store) == entry(2, "new")["a"], "an older worker of the same version put its own back"
    wait_until(lambda: store.call("workers", "")[0] > before + 200, 5, "the server's clock to move on")
    fleet.publish(store, entry(2, "old"), again=True, said_for_ms=800)
    assert fleet.actors(store)["a"]["said_ms"] > before, "the version is said, so that it does not give way"
    assert said(store) == entry(2, "new")["a"]


def test_a_worker_says_its_actors_again_as_long_as_it_lives(make_app: AppMaker) -> None:
    app = make_app(beat_ms=50)
    greeting(app, payload_version=2)
    app.start()
    store = app.broker.store
    wait_until(lambda: "greets" in fleet.actors(store), 10, "the actor to be published")
    lower = {"greets": {"queue": "one", "priority": 0}}
    fleet.publish(store, lower, said_for_ms=0)
    wait_until(lambda: fleet.actors(store)["greets"].get("payload_version") == 2, 10, "the worker to say it again")
