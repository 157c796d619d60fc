"""An email job that is killed at a step: who got how many copies?"""

from __future__ import annotations

from collections import Counter

from actors.email.steps import EmailStep
from callboard.records import JobView
from callboard.steps import Step
from tests.support.step_stage import Scenario, Stage

QUEUE = "email-notifications"


def _people(job_id: str) -> list[str]:
    return [f"{name}.{job_id}@example.org" for name in ("ada", "bob", "cy")]


def _add(stage: Stage, job_id: str) -> None:
    ada, bob, cy = _people(job_id)
    payload = {"to": [ada, bob], "bcc": cy, "subject": f"Step {job_id}", "text": "Once, please."}
    stage.service.add_job(QUEUE, "send_email", payload, id=job_id)


def _verdict(stage: Stage, step: Step, job: JobView) -> None:
    """One copy a recipient, counted by Message-ID and recipient.

    The exception is the trust window that docs/job-types/email-notifications.md tells of: whoever dies between the
    server's acceptance and the note of it cannot know that the message is out, and sends it again. Even then both
    copies are one message: the same Message-ID, the same Date, the same bytes.
    """
    mails = [mail for mail in stage.smtp.mailbox if mail.message["Subject"] == f"Step {job.id}"]
    message_ids = {mail.message["Message-ID"] for mail in mails}
    assert len(message_ids) == 1, f"one message has one Message-ID; it went out under {message_ids}"
    result = stage.service.get_result(QUEUE, job.id)
    expected_result = {"message_id": message_ids.pop(), "accepted": 3, "refused": {}}
    assert result == expected_result, f"the job's result is {result}"
    copies = Counter(recipient for mail in mails for recipient in mail.recipients)
    expected = 2 if step is EmailStep.ACCEPTED else 1
    assert copies == dict.fromkeys(_people(job.id), expected), f"{expected} a recipient were expected: {copies}"
    assert len({mail.raw for mail in mails}) == 1, "what was sent again is not the same message"


SCENARIOS = [Scenario(tuple(EmailStep), QUEUE, _add, _verdict)]
