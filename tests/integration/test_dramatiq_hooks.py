"""Middleware of the application's own: its hooks are called as Dramatiq calls them."""

from __future__ import annotations

from typing import Any

import dramatiq
import pytest
from dramatiq.errors import DramatiqError
from dramatiq.middleware import MiddlewareError, SkipMessage
from dramatiq.results import ResultFailure

from tests.support.app import App

#: Hooks of one attempt.
HOOKS = (
    "before_process_message", "after_process_message", "after_skip_message", "before_ack", "after_ack", "before_nack",
    "after_nack", "before_enqueue", "after_enqueue",
)  # fmt: skip


class Notes(dramatiq.Middleware):
    """Notes its hooks; ``act`` maps a hook to what it does beyond that."""

    def __init__(self, app: App, name: str, **act: Any) -> None:
        self._name = name
        self._app = app
        for hook in HOOKS:
            setattr(self, hook, self._hook(hook, act.get(hook)))

    def _hook(self, hook: str, act: Any) -> Any:
        def called(broker: Any, message: Any, *args: Any, **kwargs: Any) -> None:
            self._app.say((self._name, hook, message.failed if hasattr(message, "failed") else None))
            if act is not None:
                act(message)

        return called


def fail(message: Any) -> None:
    message.fail()


def skip(message: Any) -> None:
    raise SkipMessage("not needed")


def fail_and_skip(message: Any) -> None:
    message.fail()
    raise SkipMessage("not wanted")


def stumble(message: Any) -> None:
    raise ZeroDivisionError("a hook's own")


def object_to(message: Any) -> None:
    raise MiddlewareError("not like this")


def run(app: App, **options: Any) -> tuple[Any, list[Any]]:
    """Run one job of an actor that returns 1. Returns its end, and what was said of it after it was added."""

    @app.actor(store_results=True, **options)
    def one() -> int:
        app.say("actor")
        return 1

    message = one.send()
    app.said.clear()
    app.start()
    job = app.ended(message)
    app.stop_worker()
    return job, app.said


def test_before_hooks_run_from_first_to_last_and_after_hooks_from_last_to_first(app: App) -> None:
    app.broker.add_middleware(Notes(app, "outer"))
    app.broker.add_middleware(Notes(app, "inner"))
    job, said = run(app)
    assert job.state == "completed"
    assert said == [
        ("outer", "before_process_message", False), ("inner", "before_process_message", False), "actor",
        ("inner", "after_process_message", False), ("outer", "after_process_message", False),
        ("outer", "before_ack", False), ("inner", "before_ack", False),
        ("inner", "after_ack", False), ("outer", "after_ack", False),
    ]  # fmt: skip


def test_a_failed_attempt_is_rejected(app: App) -> None:
    app.broker.add_middleware(Notes(app, "notes"))

    @app.actor(max_retries=1)
    def fails() -> None:
        raise ValueError("no")

    message = fails.send()
    app.said.clear()
    app.start()
    app.ended(message)
    app.stop_worker()
    assert [said[1] for said in app.said] == [
        "before_process_message", "after_process_message", "before_ack", "after_ack",
        "before_process_message", "after_process_message", "before_nack", "after_nack",
    ]  # fmt: skip


def test_hooks_around_an_add(app: App) -> None:
    app.broker.add_middleware(Notes(app, "notes"))

    @app.actor
    def one() -> None:
        return None

    one.send()
    assert app.said == [("notes", "before_enqueue", None), ("notes", "after_enqueue", None)]


def test_a_skipped_job_completes_without_running(app: App) -> None:
    app.broker.add_middleware(Notes(app, "notes", before_process_message=skip))
    job, said = run(app)
    assert (job.state, job.attempts_made) == ("completed", 1)
    assert [each[1] for each in said] == ["before_process_message", "after_skip_message", "before_ack", "after_ack"]


def test_a_job_that_is_failed_and_skipped_fails_and_says_why(app: App) -> None:
    app.broker.add_middleware(Notes(app, "notes", before_process_message=fail_and_skip))
    job, said = run(app)
    assert (job.state, job.reason, job.attempts_made) == ("failed", "not wanted", 1)
    assert [each[1] for each in said] == ["before_process_message", "after_skip_message", "before_nack", "after_nack"]


@pytest.mark.parametrize("hook", ["before_process_message", "after_process_message"])
def test_a_hook_may_fail_a_job(app: App, hook: str) -> None:
    app.broker.add_middleware(Notes(app, "notes", **{hook: fail}))

    @app.actor(queue_name="two")
    def told(*args: Any) -> None:
        app.say("told of success")

    job, said = run(app, on_success="told")
    assert job.state == "failed"
    assert job.reason, "a failed job has a reason"
    assert ("actor" in said) == (hook == "after_process_message")
    app.drained("one")
    assert app.stats("one").outbox == 0
    assert app.stats("two").waiting == 0, "a failed job has no success to tell of"
    with pytest.raises(ResultFailure):
        app.broker.get_results_backend().get_result(dramatiq.Message("one", "one", (), {}, {}, job.id))


@pytest.mark.parametrize("hook", [h for h in HOOKS if "enqueue" not in h and "nack" not in h and "skip" not in h])
def test_an_exception_in_a_hook_is_not_the_jobs(app: App, hook: str) -> None:
    app.broker.add_middleware(Notes(app, "notes", **{hook: stumble}))
    job, said = run(app)
    assert (job.state, job.attempts_made) == ("completed", 1)
    assert len(said) == 5, "all other hooks ran, and the actor"


def test_an_error_of_middleware_before_the_actor_is_a_failed_attempt(app: App) -> None:
    app.broker.add_middleware(Notes(app, "notes", before_process_message=object_to))
    job, said = run(app)
    assert (job.state, job.attempts_made, job.reason) == ("failed", 3, "MiddlewareError: not like this")
    assert "actor" not in said


def test_middleware_can_be_added_before_and_after_others(app: App) -> None:
    app.broker.add_middleware(Notes(app, "first"), before=type(app.broker.middleware[1]))
    app.broker.add_middleware(Notes(app, "second"), after=Notes)
    _, said = run(app)
    assert [each[0] for each in said[:2]] == ["first", "second"]
    with pytest.raises(ValueError, match="not found"):
        app.broker.add_middleware(Notes(app, "lost"), after=Unused)


class Unused(dramatiq.Middleware):
    """On no broker."""


class Options(dramatiq.Middleware):
    """Declares an option of its own."""

    @property
    def actor_options(self) -> set[str]:
        return {"colour"}


def test_middleware_declares_options_of_actors(app: App) -> None:
    app.broker.add_middleware(Options())
    actor = app.actor(lambda: None, actor_name="painted", colour="blue")
    assert actor.options == {"colour": "blue"}


def test_errors_of_dramatiq_can_be_told_from_others() -> None:
    from callboard.errors import StoreUnavailable, UnknownActor, UnknownQueue

    assert all(issubclass(error, DramatiqError) for error in (StoreUnavailable, UnknownActor, UnknownQueue))
