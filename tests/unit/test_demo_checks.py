"""The demo's own checks: quiet when all is right, and loud about each thing that is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from callboard.verbs.health import NotedHealth
from demo.emails import Letter
from demo.mailbox import check_mailbox
from demo.smtp import ReceivedMail
from demo.webhook_receiver import ReceivedRequest
from demo.webhooks import REFUSED, ROTATED
from tests.support.played import Played, line, mail, request, ticked

LETTER = Letter("Hello", ("ada@example.org", "bob@example.org"), "a phrase", {"a.csv": ("text/csv", b"a,b\n1,2\n")})


def test_a_mailbox_with_one_copy_for_each_recipient_is_right() -> None:
    assert check_mailbox([mail(LETTER)], [LETTER]) == []


def test_recipients_may_get_their_copies_in_different_mails_of_one_message_id() -> None:
    assert check_mailbox([mail(LETTER, "ada@example.org"), mail(LETTER, "bob@example.org")], [LETTER]) == []


OTHER = Letter("Another", ("cy@example.org",), "a phrase")


@pytest.mark.parametrize(
    ("mails", "said"),
    [
        ([], "got 0 copies"),
        ([mail(LETTER), mail(LETTER, "bob@example.org")], "bob@example.org got 2 copies"),
        ([mail(LETTER, *LETTER.recipients, "eve@example.org")], "eve@example.org got it and should not"),
        ([mail(LETTER, "ada@example.org"), mail(LETTER, "bob@example.org", message_id="<2@x>")], "2 Message-IDs"),
        ([mail(LETTER), mail(OTHER)], "nobody sent a mail 'Another'"),
        ([mail(replace(LETTER, phrase="something else"))], "does not say 'a phrase'"),
        ([mail(LETTER, plain=False)], "no plain part"),
        ([mail(replace(LETTER, files={}))], "its attachments (none) are not those"),
        (
            [mail(replace(LETTER, files={"a.csv": ("text/csv", b"a,b\n1,3\n")}))],
            "its attachments (a.csv) are not those",
        ),
        ([mail(replace(LETTER, files={"a.csv": ("text/plain", b"a,b\n1,2\n")}))], "its attachments (a.csv) are not"),
        ([mail(LETTER, From="Somebody <else@example.org>")], "it is from Somebody"),
    ],
)
def test_what_is_wrong_with_a_mailbox_is_said(mails: list[ReceivedMail], said: str) -> None:
    assert said in "\n".join(check_mailbox(mails, [LETTER]))


def test_two_letters_under_one_message_id_are_wrong() -> None:
    mails = [mail(LETTER, message_id="<1@x>"), mail(OTHER, message_id="<1@x>")]
    assert "its Message-ID is also that of 'Hello'" in "\n".join(check_mailbox(mails, [LETTER, OTHER]))


# -- all checks together, on a demo that went right


@pytest.fixture
def played() -> Played:
    return Played()


def test_nothing_is_wrong_when_all_went_right(played: Played) -> None:
    assert played.problems() == []


def test_a_job_that_failed_is_said_with_its_reason(played: Played) -> None:
    played.change("post-live", state="failed", reason="no email can be sent")
    assert played.problems() == ["post-live is failed: no email can be sent"]


def test_a_job_that_is_gone_is_said(played: Played) -> None:
    del played.evidence.views["reminder"]
    assert "reminder is gone" in played.problems()


def test_an_attempt_too_many_is_said(played: Played) -> None:
    played.change("post-live", attempts_made=2)
    assert played.problems() == ["post-live took 2 attempts instead of 1"]


def test_a_retry_before_its_backoff_is_said(played: Played) -> None:
    played.change("refused-once", started_ms=900)
    assert played.problems() == ["refused-once waited only 890 ms after attempt 1"]


def test_a_low_job_before_the_critical_one_is_said(played: Played) -> None:
    played.history[3] = ("active", "newsletter-05", "password-reset")
    assert played.problems() == ["newsletter-05 was waiting and started before password-reset"]


def test_an_urgent_job_with_nobody_to_overtake_shows_nothing(played: Played) -> None:
    low = [each.job.job_id for each in played.cast.backlog]
    played.history = [("active", *low), ("added", "password-reset"), ("active", "password-reset")]
    assert played.problems() == ["only 0 jobs were left to overtake"]


def test_a_delayed_job_that_starts_early_is_said(played: Played) -> None:
    played.change("reminder", started_ms=5_900)
    assert played.problems() == ["reminder started after 5.90 s, 6 s were asked for"]


# -- webhooks


def test_a_delivery_that_came_twice_is_said(played: Played) -> None:
    once = request(played.delivery("webhook-at-once"))
    played.receive("webhook-at-once", once, once)
    assert played.problems() == ["webhook-at-once came 2 times instead of 1"]


def test_a_delivery_that_did_not_come_is_said(played: Played) -> None:
    played.receive("live:ep_1")
    assert played.problems() == ["live:ep_1 came 0 times instead of 1", "post.published came to /crm"]


def test_an_event_that_came_to_someone_who_does_not_want_it_is_said(played: Played) -> None:
    stray = replace(request(played.delivery("live:ep_0")), path="/exports")
    played.evidence.requests = [*played.evidence.requests, stray]
    assert played.problems() == ["nobody sent 'live' to /exports, yet it came"]


def changed(one: ReceivedRequest, **headers: str) -> ReceivedRequest:
    return replace(one, headers={**one.headers, **{name.replace("_", "-"): value for name, value in headers.items()}})


WRONG_SIGNATURE = "webhook-at-once: its signature is not right by a secret of /crm"


def test_a_body_that_was_changed_is_said(played: Played) -> None:
    one = request(played.delivery("webhook-at-once"))
    played.receive("webhook-at-once", replace(one, body=one.body.replace(b'"post": 2', b'"post": 3')))
    assert played.problems() == [WRONG_SIGNATURE, "webhook-at-once: its body is not what was sent"]


@pytest.mark.parametrize("body", [b"oh no", b"[]"])
def test_a_body_that_is_no_event_is_said(played: Played, body: bytes) -> None:
    one = request(played.delivery("webhook-at-once"))
    played.receive("webhook-at-once", replace(one, body=body))
    assert "webhook-at-once: its body is not what was sent" in played.problems()


@pytest.mark.parametrize(
    "headers", [{"webhook_timestamp": "1"}, {"webhook_signature": ""}, {"webhook_signature": "v1,eA=="}]
)
def test_a_header_that_was_changed_is_said(played: Played, headers: dict[str, str]) -> None:
    played.receive("webhook-at-once", changed(request(played.delivery("webhook-at-once")), **headers))
    assert played.problems() == [WRONG_SIGNATURE]


def test_the_secret_of_another_endpoint_is_said(played: Played) -> None:
    [other] = played.delivery(REFUSED).to.secrets
    played.receive("webhook-at-once", request(played.delivery("webhook-at-once"), signed_by=(other,)))
    assert played.problems() == [WRONG_SIGNATURE, "webhook-at-once: its signature is right by a secret of /exports"]


def test_a_file_that_does_not_say_what_came_is_said(played: Played, tmp_path: Path) -> None:
    one = request(played.delivery("webhook-at-once"))
    file = tmp_path / "0001.json"
    file.write_text(json.dumps({"path": one.path, "headers": one.headers, "body": "{}"}))
    played.receive("webhook-at-once", replace(one, file=file))
    assert WRONG_SIGNATURE in played.problems()


def test_a_retry_that_was_not_signed_afresh_is_said(played: Played) -> None:
    one = request(played.delivery(REFUSED))
    played.receive(REFUSED, one, one, one)
    [said] = played.problems()
    assert said.startswith(f"{REFUSED} has not a fresh timestamp in every attempt")


def test_a_retry_before_the_time_that_was_asked_for_is_said(played: Played) -> None:
    played.change(REFUSED, started_ms=played.evidence.views[REFUSED].attempts[1].ended_ms + 2_500)
    assert played.problems() == [f"{REFUSED} was asked to wait 3 s and came after 2500 ms"]


def test_a_retry_that_does_not_say_why_is_said(played: Played) -> None:
    attempts = [replace(each, error_message="") for each in played.evidence.views[REFUSED].attempts]
    played.change(REFUSED, attempts=attempts)
    assert played.problems() == [f"{REFUSED} does not say why attempt {n} failed: ''" for n in (1, 2)]


def test_a_secret_that_does_not_sign_any_more_is_said(played: Played) -> None:
    delivery = played.delivery(ROTATED)
    played.receive(ROTATED, request(delivery, signed_by=delivery.to.secrets[:1]))
    assert played.problems() == [
        f"{ROTATED}: its signature is not right by a secret of /accounts",
        f"{ROTATED} has 1 signatures instead of 2",
        f"{ROTATED} does not verify by the old secret",
    ]


# -- maintenance


def test_a_report_that_is_not_kept_is_said(played: Played) -> None:
    played.evidence.reports = []
    assert played.problems() == ["queue-report has lines of no queue"]


def test_a_report_that_counts_otherwise_is_said(played: Played) -> None:
    [report] = played.evidence.reports
    played.evidence.reports = [replace(report, queues=[line("email-notifications", 22), *report.queues[1:]])]
    assert played.problems() == ["queue-report says that 22 jobs of email-notifications completed instead of 23"]


def test_a_queue_that_is_not_healthy_or_not_looked_at_is_said(played: Played) -> None:
    played.evidence.health |= {
        "maintenance": None,
        "webhook-delivery": NotedHealth("webhook-delivery", "degraded", ["failed: 101 jobs, more than 100"], 1, 1),
    }
    assert played.problems() == [
        "health-check found webhook-delivery degraded: failed: 101 jobs, more than 100",
        "health-check noted nothing of maintenance",
    ]


@pytest.mark.parametrize("change", [{"dry_run": False}, {"total": 27}, {"more": ["maintenance"]}])
def test_a_clean_that_counts_otherwise_is_said(played: Played, change: dict[str, object]) -> None:
    played.evidence.results["clean-rehearsal"] |= change
    [said] = played.problems()
    assert said.startswith("clean-rehearsal returned {")


def test_when_redis_is_gone_everything_is_said_to_be_gone(played: Played) -> None:
    played.evidence = replace(played.evidence, views={}, results={}, reports=[], health={})
    said = played.problems()
    assert {"reminder is gone", f"{REFUSED} is gone", "health-check is gone", "health-check noted nothing"} <= set(said)


# -- the flow


def test_a_job_that_starts_before_what_it_waits_for_has_ended_is_said(played: Played) -> None:
    played.change("all-checked", started_ms=9)
    assert played.problems() == [
        "all-checked started before the last of the jobs that it waited for had ended"
    ]


def test_a_flow_of_other_jobs_is_said(played: Played) -> None:
    assert played.evidence.flow is not None
    del played.evidence.flow.children[0]
    assert played.problems() == ["all-checked waited for health-check, clean-rehearsal"]


# -- the schedule


def test_a_schedule_that_did_not_tick_to_its_end_is_said(played: Played) -> None:
    played.evidence.schedule = ticked(2, ended="")
    assert [problem[:44] for problem in played.problems()] == ["heartbeat has not ticked 3 times and ended: "]


def test_a_tick_that_is_missing_is_said(played: Played) -> None:
    del played.ticks[101]
    assert played.problems() == ["heartbeat ticked at [100, 102] instead of 3 seconds in a row"]


def test_a_tick_that_came_late_is_said(played: Played) -> None:
    played.ticks[101] += 2_000
    assert played.problems() == ["a job of heartbeat was added 2005 ms after its tick"]
