"""What becomes of a delivery, answer by answer: what is tried again and when, what is not, and what is said of it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

import callboard.steps
from actors.webhooks.publishing import QUEUE
from actors.webhooks.registry import EndpointRegistry
from actors.webhooks.sending import Sender
from actors.webhooks.settings import WebhookSettings
from actors.webhooks.steps import WebhookStep
from callboard.steps import Step
from callboard.store.store import open_store
from demo.webhook_receiver import Trick, WebhookReceiver
from tests.integration.conftest import AppMaker
from tests.support.proxy import Proxy
from tests.support.redis_server import Server
from tests.support.wait import wait_until
from tests.support.webhooks import QUEUES, Webhooks, secret_of, verified, wait_s

MakeHooks = Callable[..., Webhooks]


@pytest.fixture
def store_url(valkey_server: Server) -> str:
    """One kind of server: nothing here depends on it."""
    return valkey_server.url


@pytest.fixture
def make_hooks(make_app: AppMaker) -> Iterator[MakeHooks]:
    with contextlib.ExitStack() as stack:

        def make(queue: dict[str, Any] | None = None, **settings: Any) -> Webhooks:
            queues = {name: {**spec, **(queue or {})} for name, spec in QUEUES.items()}
            return stack.enter_context(contextlib.closing(Webhooks(make_app(queues=queues), **settings)))

        yield make


@pytest.fixture
def hooks(make_hooks: MakeHooks) -> Webhooks:
    return make_hooks()


# -- delivered


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_2xx_completes(hooks: Webhooks, receiver: WebhookReceiver, status: int) -> None:
    receiver.answer(status)
    assert hooks.ended(hooks.add(hooks.endpoint(receiver))).state == "completed"
    assert len(receiver.requests) == 1


def test_a_body_that_never_ends_is_cut(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    receiver.play("endless")
    job_id = hooks.add(hooks.endpoint(receiver))
    assert hooks.ended(job_id).state == "completed", "the status says that it was taken"
    [line] = hooks.lines(job_id)
    assert 1_000 < len(line) < 1_200, "the first KiB of the answer is in the log"


# -- tried again


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 403, 404, 409, 422, 500, 501, 503])
def test_other_answers_are_tried_again_with_the_usual_wait(
    hooks: Webhooks, receiver: WebhookReceiver, status: int
) -> None:
    receiver.answer(status, {"Location": receiver.url("/elsewhere")} if status < 400 else {}, times=1)
    job_id = hooks.add(hooks.endpoint(receiver), backoff_base_ms=300_000)
    view = hooks.delayed(job_id)
    assert wait_s(view) == pytest.approx(300, abs=0.5)
    assert f"127.0.0.1 answered {status}" in view.attempts[0].error_message
    hooks.service.promote_job("webhook-delivery", job_id)
    assert hooks.ended(job_id).state == "completed"
    assert [each.path for each in receiver.requests] == ["/hook", "/hook"], "redirects are not followed"


@pytest.mark.parametrize(
    ("trick", "said"),
    [
        ("hang_up", "EndpointUnreachable: 127.0.0.1: the connection broke"),
        ("silence", "EndpointTimedOut: 127.0.0.1: no answer in time (0.4 s)"),
        ("drip", "EndpointTimedOut: 127.0.0.1: no answer in time (0.4 s)"),
    ],
)
def test_what_is_no_answer_is_tried_again(
    make_hooks: MakeHooks, receiver: WebhookReceiver, trick: Trick, said: str
) -> None:
    hooks = make_hooks(timeout_s=0.4)
    receiver.play(trick, times=2)
    job_id = hooks.add(hooks.endpoint(receiver))
    view = hooks.ended(job_id)
    assert view.state == "completed"
    attempt = view.attempts[0]
    assert f"{attempt.error_type}: {attempt.error_message}".startswith(said)
    assert attempt.ended_ms - attempt.started_ms < 2_000, "whatever the peer does, the attempt ends in time"
    assert len({each.headers["webhook-id"] for each in receiver.wait_for(3)}) == 1


def test_nobody_listening_is_tried_again_until_the_attempts_are_used_up(hooks: Webhooks) -> None:
    with WebhookReceiver() as gone:
        endpoint = hooks.endpoint(gone)
    job_id = hooks.add(endpoint)
    view = hooks.ended(job_id)
    assert (view.state, view.attempts_made) == ("failed", 4)
    assert view.reason == "EndpointUnreachable: 127.0.0.1: no connection: Connection refused"
    lines = hooks.lines(job_id)
    assert [line.partition(" in ")[0] for line in lines] == [f"attempt {n} of 4: no answer" for n in (1, 2, 3, 4)]
    assert lines[0].endswith(" ms: 127.0.0.1: no connection: Connection refused")


def test_a_name_that_does_not_resolve_is_tried_again(hooks: Webhooks) -> None:
    job_id = hooks.add(hooks.registry.create("https://nobody.invalid/hook", ["*"]))
    view = hooks.ended(job_id)
    assert (view.state, view.attempts_made) == ("failed", 4)
    assert view.reason.startswith("EndpointUnreachable: nobody.invalid: the name nobody.invalid cannot be resolved")


# -- how long it waits


def test_retry_after_in_seconds_is_honoured(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    receiver.answer(503, {"Retry-After": "120"}, times=1)
    assert wait_s(hooks.delayed(hooks.add(hooks.endpoint(receiver)))) == pytest.approx(120, abs=0.5)


def test_retry_after_as_a_date_is_honoured(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    when = datetime.now(UTC) + timedelta(minutes=10)
    receiver.answer(429, {"Retry-After": format_datetime(when, usegmt=True)}, times=1)
    assert wait_s(hooks.delayed(hooks.add(hooks.endpoint(receiver)))) == pytest.approx(600, abs=3)


def test_retry_after_is_capped(make_hooks: MakeHooks, receiver: WebhookReceiver) -> None:
    hooks = make_hooks(retry_after_max_s=30)
    receiver.answer(503, {"Retry-After": "86400"}, times=1)
    assert wait_s(hooks.delayed(hooks.add(hooks.endpoint(receiver)))) == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize("status", [429, 502, 504])
def test_an_endpoint_with_too_much_to_do_is_given_more_time(
    make_hooks: MakeHooks, receiver: WebhookReceiver, status: int
) -> None:
    hooks = make_hooks({"backoff_base_ms": 20_000})
    receiver.answer(status, times=1)
    assert wait_s(hooks.delayed(hooks.add(hooks.endpoint(receiver)))) == pytest.approx(200, abs=0.5)


# -- not tried again


def test_410_disables_the_endpoint(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    receiver.answer(410, body=b"moved away")
    endpoint = hooks.endpoint(receiver)
    job_id = hooks.add(endpoint)
    view = hooks.ended(job_id)
    assert (view.state, view.attempts_made) == ("failed", 1)
    assert view.reason == (
        f"EndpointGone: 127.0.0.1 answered 410 Gone: it wants no more events, so endpoint {endpoint.id} is disabled"
    )
    disabled = hooks.registry.get(endpoint.id).disabled
    assert disabled is not None
    assert disabled.by == "delivery"
    assert "410 Gone" in disabled.reason
    assert hooks.lines(job_id)[0].endswith(f"answer: moved away; endpoint {endpoint.id} is disabled now")


def test_a_disabled_endpoint_hears_nothing(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.endpoint(receiver)
    hooks.registry.disable(endpoint.id, "billing", by="ada")
    view = hooks.ended(hooks.add(endpoint))
    assert (view.state, view.attempts_made) == ("failed", 1)
    assert view.reason == f"EndpointDisabled: endpoint {endpoint.id} is disabled: billing"
    hooks.registry.enable(endpoint.id)
    assert hooks.ended(hooks.add(endpoint)).state == "completed"
    assert len(receiver.requests) == 1


def test_an_endpoint_that_is_not_there_fails_for_good(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.endpoint(receiver)
    hooks.registry.delete(endpoint.id)
    view = hooks.ended(hooks.add(endpoint))
    assert (view.state, view.attempts_made) == ("failed", 1)
    assert view.reason == f"UnknownEndpoint: there is no endpoint '{endpoint.id}'"
    assert receiver.requests == []


def test_an_endpoint_of_another_workspace_is_as_if_not_there(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.endpoint(receiver, workspace="acme")
    for options in ({}, {"workspace": "other"}):
        view = hooks.ended(hooks.add(endpoint, **options))
        assert (view.state, view.attempts_made) == ("failed", 1)
        assert view.reason == f"UnknownEndpoint: there is no endpoint '{endpoint.id}'"
    assert receiver.requests == []
    assert hooks.ended(hooks.add(endpoint, workspace="acme")).state == "completed"


def test_an_address_that_is_not_allowed_fails_for_good(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.registry.create(receiver.url(host="localhost"), ["*"])
    # As if the name had resolved to something public when the endpoint was made.
    hooks.sender = Sender(WebhookSettings(allow_http=True, ports=f"80,443,{receiver.port}"))
    job_id = hooks.add(endpoint)
    view = hooks.ended(job_id)
    assert (view.state, view.attempts_made) == ("failed", 1)
    assert view.reason.startswith(
        f"AddressBlocked: localhost:{receiver.port} is not an address that webhooks may be sent to ("
    )
    assert receiver.connections == 0
    assert hooks.registry.get(endpoint.id).last_failure in view.reason


def test_a_body_over_the_limit_fails_for_good(make_hooks: MakeHooks, receiver: WebhookReceiver) -> None:
    hooks = make_hooks(body_max_bytes=1_000)
    view = hooks.ended(hooks.add(hooks.endpoint(receiver), {"text": "x" * 1_000}))
    assert (view.state, view.attempts_made) == ("failed", 1)
    assert view.reason.startswith("PermanentError: the body has 1")
    assert receiver.requests == []


# -- how the endpoint is doing


def test_failing_since_the_first_failure_after_a_success(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.endpoint(receiver)
    assert hooks.registry.get(endpoint.id).failing_since_ms is None
    receiver.answer(500, times=3)
    job_id = hooks.add(endpoint, backoff_base_ms=600_000)
    hooks.delayed(job_id)
    first = hooks.registry.get(endpoint.id)
    assert first.failing_since_ms is not None
    assert first.last_failure == "127.0.0.1 answered 500 Internal Server Error"

    hooks.service.promote_job("webhook-delivery", job_id)
    receiver.wait_for(2)
    hooks.delayed(job_id)
    wait_until(lambda: hooks.registry.get(endpoint.id).last_failure_ms != first.last_failure_ms, 10, "a second failure")
    assert hooks.registry.get(endpoint.id).failing_since_ms == first.failing_since_ms

    hooks.service.promote_job("webhook-delivery", job_id)
    receiver.wait_for(3)
    hooks.delayed(job_id)
    hooks.service.promote_job("webhook-delivery", job_id)
    assert hooks.ended(job_id).state == "completed"
    after = hooks.registry.get(endpoint.id)
    assert after.failing_since_ms is None
    assert after.last_success_ms is not None


def test_days_of_only_failures_disable_the_endpoint(make_hooks: MakeHooks, receiver: WebhookReceiver) -> None:
    hooks = make_hooks(disable_after_days=1e-9)
    endpoint = hooks.endpoint(receiver)
    receiver.answer(500)
    for n in range(5):
        assert hooks.registry.get(endpoint.id).enabled, f"{n} lost events are too few"
        view = hooks.ended(hooks.add(endpoint))
        assert (view.state, view.attempts_made) == ("failed", 4), "while it may be tried again, the endpoint stays"
    found = hooks.registry.get(endpoint.id)
    assert found.disabled is not None
    assert found.disabled.reason == (
        "only failures for 0.0 days; the last: 127.0.0.1 answered 500 Internal Server Error"
    )
    assert hooks.registry.enable(endpoint.id)
    assert hooks.registry.get(endpoint.id).failing_since_ms is None, "enabled, its days count anew"


# -- secrets


def test_while_a_secret_is_replaced_both_sign(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.endpoint(receiver)
    old = secret_of(endpoint)
    new = secret_of(hooks.registry.rotate_secret(endpoint.id, grace_s=3600))
    hooks.ended(hooks.add(endpoint))
    [request] = receiver.wait_for(1)
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    verified(request, old)
    verified(request, new)


def test_a_secret_whose_grace_has_ended_signs_no_more(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    endpoint = hooks.endpoint(receiver)
    rotated = hooks.registry.rotate_secret(endpoint.id, grace_s=0)
    hooks.ended(hooks.add(endpoint))
    [request] = receiver.wait_for(1)
    verified(request, secret_of(rotated))
    with pytest.raises(Exception, match="No matching signature found"):
        verified(request, secret_of(endpoint))


# -- steps


def test_every_step_is_reached_in_order(
    hooks: Webhooks, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Step, int, int]] = []

    def on_reached(step: Step) -> None:
        seen.append((step, len(receiver.requests), len(hooks.lines("stepping"))))

    monkeypatch.setattr(callboard.steps, "on_reached", on_reached)
    hooks.ended(hooks.add(hooks.endpoint(receiver), id="stepping"))
    assert seen == [(WebhookStep.SENDING, 0, 0), (WebhookStep.ANSWERED, 1, 0), (WebhookStep.NOTED, 1, 1)]
    assert [step for step, _, _ in seen] == list(WebhookStep)


# -- Redis away


def test_an_event_that_was_taken_is_not_sent_again_because_it_could_not_be_noted(
    hooks: Webhooks, receiver: WebhookReceiver, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = hooks.endpoint(receiver)
    with Proxy(store_url) as proxy:
        away = open_store(hooks.app.settings.model_copy(update={"redis_url": SecretStr(proxy.url)}))
        hooks.registry = EndpointRegistry(away, hooks.settings)

        def on_reached(step: Step) -> None:
            if step is WebhookStep.ANSWERED:
                proxy.cut()

        monkeypatch.setattr(callboard.steps, "on_reached", on_reached)
        with structlog.testing.capture_logs() as logs:
            job_id = hooks.add(endpoint)
            view = hooks.ended(job_id)
        away.close()
    assert (view.state, view.attempts_made, len(receiver.requests)) == ("completed", 1, 1)
    assert [each["event"] for each in logs] == ["webhook attempt not noted"]


# -- what is not told


def test_the_example_for_producers_does_what_it_says(hooks: Webhooks, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks.service.pause_queue(QUEUE)  # nobody out there is to hear of it
    monkeypatch.setenv("REDIS_URL", hooks.app.settings.url)
    monkeypatch.setenv("CALLBOARD_PREFIX", hooks.app.settings.prefix)
    page = Path(__file__).parents[2] / "docs/job-types/webhook-delivery.md"
    example = page.read_text(encoding="utf-8").split("```python\n")[1].partition("```")[0]
    names: dict[str, Any] = {}
    exec(example, names)  # our own page
    assert names["secret"].startswith("whsec_")
    assert hooks.job(f"post-7-published:{names['endpoint'].id}").payload["event"] == "post.published"
    names["service"].close()


def test_neither_url_nor_secret_is_shown(hooks: Webhooks, receiver: WebhookReceiver) -> None:
    receiver.answer(500, times=1)
    endpoint = hooks.endpoint(receiver, path="/key-4711")
    job_id = hooks.add(endpoint)
    view = hooks.ended(job_id)
    shown = f"{view} {hooks.lines(job_id)} {endpoint!r} {hooks.registry.get(endpoint.id)!r}"
    assert "key-4711" not in shown
    assert secret_of(endpoint).removeprefix("whsec_") not in shown
