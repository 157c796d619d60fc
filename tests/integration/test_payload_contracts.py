"""An actor with a payload model, on real servers: at the door of each kind of producer, and in the worker."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from callboard import QueueService
from callboard.errors import PayloadInvalid
from callboard.service import JobSpec
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
