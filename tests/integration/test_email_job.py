"""Email jobs as the platform runs them: refused at every door, kept over retries, ended as the server says."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import actors.email_notifications
from actors.email.recipients import recipient_hash
from callboard import QueueService
from callboard.errors import NoCurrentJob, PayloadInvalid
from callboard.verbs.telling import details
from demo.smtp import LocalSmtp
from tests.integration.conftest import AppMaker
from tests.support.app import QUICK, App

ADA, BOB = "ada@example.org", "bob@example.org"
QUEUE = "email-notifications"


@pytest.fixture
def make_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LocalSmtp]]:
    """Makes a mail server, and the workers' settings to reach it."""
    with ExitStack() as stack:

        def make(**options: Any) -> LocalSmtp:
            server = stack.enter_context(LocalSmtp(**options))
            told = {"HOST": server.host, "PORT": str(server.port), "TLS": "none", "SENDER": "shop@example.org"}
            for name, value in told.items():
                monkeypatch.setenv(f"CALLBOARD_SMTP_{name}", value)
            return server

        yield make


@pytest.fixture
def server(make_server: Callable[..., LocalSmtp]) -> LocalSmtp:
    """A mail server, and the workers' settings to reach it."""
    return make_server()


@pytest.fixture
def app(make_app: AppMaker) -> App:
    """An application that has the job type, declared as in production but on this test's broker."""
    app = make_app(queues={QUEUE: QUICK})
    path = actors.email_notifications.__file__
    spec = importlib.util.spec_from_file_location("email_notifications_of_a_test", path)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return app


def letter(**fields: Any) -> dict[str, Any]:
    return {"to": ADA, "subject": "Hello", "text": "Hi", **fields}


def test_a_job_sends_its_email_and_keeps_its_progress(server: LocalSmtp, app: App) -> None:
    app.start()
    job = app.broker.get_actor("send_email").send(**letter())
    assert app.ended(job).state == "completed"
    [mail] = server.mailbox
    assert mail.message["Message-ID"].startswith(f"<{job.message_id}.")
    kept = details(app.broker.store, QUEUE, job.message_id).checkpoints["email_state"]
    assert kept["accepted"] == [recipient_hash(ADA)]
    assert kept["message_id"] == mail.message["Message-ID"]


def test_what_does_not_fit_is_refused_at_the_door(app: App) -> None:
    with pytest.raises(PayloadInvalid, match=r"to\.0: is not an address"):
        app.broker.get_actor("send_email").send(**letter(to="nobody"))
    assert app.stats(QUEUE).waiting == 0


def test_a_producer_without_the_model_is_refused_at_the_door(app: App) -> None:
    app.start()
    service = QueueService(app.settings)
    with pytest.raises(PayloadInvalid, match="colour: there is no such field"):
        service.add_job(QUEUE, "send_email", letter(colour="red"))
    with pytest.raises(PayloadInvalid, match="to: it has less than 1 item"):
        service.add_job(QUEUE, "send_email", letter(to=[]))
    service.close()
    assert app.stats(QUEUE).totals.get("added", 0) == 0


def test_a_bad_address_that_passed_the_door_fails_at_once_without_quoting_it(server: LocalSmtp, app: App) -> None:
    app.start()
    service = QueueService(app.settings)
    added = service.add_job(QUEUE, "send_email", letter(to=["ada.example.org"]))
    service.close()
    view = app.ended(app.broker.get_actor("send_email").message().copy(message_id=added.id))
    assert (view.state, view.attempts_made) == ("failed", 1)
    assert view.reason == (
        "PayloadUnfit: the payload does not fit 'send_email': "
        "to.0: is not an address of the form name@domain or Name <name@domain>, ASCII before @"
    )
    assert "ada.example" not in f"{view.reason} {view.attempts}"
    assert server.connections == 0


def test_a_refused_recipient_fails_the_job_at_once(server: LocalSmtp, app: App) -> None:
    server.refuse_recipient(ADA, code=550, text="user unknown")
    app.start()
    view = app.ended(app.broker.get_actor("send_email").send(**letter()))
    assert (view.state, view.attempts_made) == ("failed", 1)
    assert "refused for good" in view.reason
    assert "550 user unknown" in view.reason


def test_a_deferred_recipient_is_tried_again_after_the_queues_backoff(server: LocalSmtp, app: App) -> None:
    server.refuse_recipient(BOB, code=451, text="try again in an hour", times=1)
    app.start()
    view = app.ended(app.broker.get_actor("send_email").send(**letter(to=[ADA, BOB])))
    assert (view.state, view.attempts_made) == ("completed", 2)
    assert [mail.recipients for mail in server.mailbox] == [(ADA,), (BOB,)]


def test_a_retry_by_an_operator_asks_those_who_were_refused_again(server: LocalSmtp, app: App) -> None:
    server.refuse_recipient(BOB, code=550, times=1)
    app.start()
    job = app.broker.get_actor("send_email").send(**letter(to=[ADA, BOB]))
    assert app.ended(job).state == "failed"
    service = QueueService(app.settings)
    service.retry_job(QUEUE, job.message_id)
    service.close()
    assert app.ended(job).state == "completed"
    assert [mail.recipients for mail in server.mailbox] == [(ADA,), (BOB,)]


def test_a_time_limit_that_strikes_before_the_servers_answer_costs_no_second_copy(
    make_server: Callable[..., LocalSmtp], app: App
) -> None:
    server = make_server(think_s=0.6)
    app.start()
    job = app.broker.get_actor("send_email").send_with_options(kwargs=letter(), time_limit=200)
    view = app.ended(job)
    assert view.state == "completed"
    assert [(each.outcome, each.error_type) for each in view.attempts] == [("retried", "TimeLimitExceeded")]
    assert len(server.mailbox) == 1


def test_without_a_job_nothing_is_sent(server: LocalSmtp, app: App) -> None:
    with pytest.raises(NoCurrentJob):
        app.broker.get_actor("send_email")(**letter())
    assert server.connections == 0
