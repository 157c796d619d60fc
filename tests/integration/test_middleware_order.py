"""Why the order of the middleware is what it is: what each would see, or do, in another place."""

from __future__ import annotations

import json
from typing import Any

import dramatiq
import pytest
from dramatiq.broker import MessageProxy
from dramatiq.middleware import SkipMessage
from dramatiq.results import Results

from callboard.worker.job import Job
from middleware.attempt_log import AttemptLog
from middleware.callbacks import Callbacks
from middleware.logs.attempts import json_line
from tests.integration.conftest import AppMaker
from tests.support.app import App


class Sees(dramatiq.Middleware):
    """Notes how a job stands when its attempt has ended: its name, the outcome so far, whether it failed."""

    def __init__(self, app: App, name: str) -> None:
        self._app = app
        self._name = name

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        self._app.say(("starts", self._name))

    def after_process_message(self, broker: dramatiq.Broker, message: MessageProxy, **_: Any) -> None:
        assert isinstance(message, Job)
        self._app.say((self._name, message.outcome, message.failed))


def ends(app: App, name: str) -> list[tuple[Any, bool]]:
    """What a Sees of that name noted."""
    return [said[1:] for said in app.said if said[0] == name]


def test_retries_decides_before_the_others_look(app: App) -> None:
    app.broker.add_middleware(Sees(app, "above it"), after=Results)
    app.broker.add_middleware(Sees(app, "last"))

    @app.actor(max_attempts=2)
    def fails() -> None:
        raise ValueError("no")

    app.start()
    app.ended(fails.send())
    assert ends(app, "above it") == [("r", False), ("f", True)]
    assert ends(app, "last") == [(None, False), (None, False)], "asked before Retries, nobody knows"


def test_a_value_that_cannot_be_kept_fails_the_job_before_callbacks_and_pipelines_are_asked(
    make_app: AppMaker,
) -> None:
    app = make_app(result_max_bytes=100)
    app.broker.add_middleware(Sees(app, "after Results"), after=Callbacks)
    app.broker.add_middleware(Sees(app, "before Results"))

    @app.actor(queue_name="two")
    def follows(*args: Any) -> None:
        app.say(("follows", *args))

    @app.actor(on_success="follows")
    def returns(size: int) -> str:
        return "x" * size

    app.start()
    for size, state in ((1_000, "failed"), (10, "completed")):
        app.said.clear()
        pipe = dramatiq.pipeline([returns.message(size), follows.message()]).run()
        assert app.ended(pipe.messages[0]).state == state
        app.drained()
        followed = [said for said in app.said if said[0] == "follows"]
        assert len(followed) == (0 if state == "failed" else 2), "the callback and the next link, or neither"
        assert ends(app, "after Results")[0] == (None, state == "failed")
        assert ends(app, "before Results")[0] == (None, False)


def test_the_gate_is_passed_before_all_others(app: App) -> None:
    app.broker.add_middleware(Sees(app, "first of the stack"), after=type(app.broker.runtime))
    job = Job.__new__(Job)
    job.given_back = True
    with pytest.raises(SkipMessage, match="given back"):
        app.broker.emit_before("process_message", job)
    assert app.said == [], "a job that belongs to another worker by now was prepared to run"


@pytest.mark.parametrize(
    ("value", "outcomes"), [("x" * 1_000, ["failed"]), ("x", ["completed"]), (None, ["retried", "failed"])]
)
def test_the_attempt_log_sees_what_became_of_the_job(make_app: AppMaker, value: Any, outcomes: list[str]) -> None:
    app = make_app(result_max_bytes=100, attempt_log=True)
    (log,) = [each for each in app.broker.middleware if isinstance(each, AttemptLog)]
    lines: list[tuple[float, Job]] = []

    class Writer:
        """Takes lines."""

        descriptor = 2

        def open(self) -> None: ...

        def close(self) -> None: ...

        def put(self, line: Any) -> None:
            lines.append(line[1:])

    log._writer = Writer()  # type: ignore[assignment]

    @app.actor(max_attempts=2)
    def returns(given: Any) -> Any:
        if given is None:
            raise ValueError("no")
        return given

    app.start()
    app.ended(returns.send(value))
    app.stop_worker()
    told = [json.loads(json_line(*line)) for line in lines]
    assert [line["outcome"] for line in told] == outcomes
